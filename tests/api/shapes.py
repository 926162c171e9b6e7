"""What Alertmanager's newest clients require of each answer, in JSON Schema; from its documentation, compact."""

from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?(Z|[+-]\d\d:\d\d)$"}
_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_NAMES = {"type": "array", "items": _TEXT}


def obj(**required: Schema) -> Schema:
    return {"type": "object", "properties": required, "required": list(required), "additionalProperties": False}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


RECEIVER = obj(name=_TEXT)
ALERT = obj(
    annotations=_TEXTS,
    labels={**_TEXTS, "minProperties": 1},
    receivers=array(RECEIVER),
    fingerprint={"type": "string", "pattern": "^[0-9a-f]{16}$"},
    startsAt=_TIME,
    endsAt=_TIME,
    updatedAt=_TIME,
    generatorURL=_TEXT,
    status=obj(
        state={"enum": ["unprocessed", "active", "suppressed"]}, silencedBy=_NAMES, inhibitedBy=_NAMES, mutedBy=_NAMES
    ),
)
GROUP = obj(labels=_TEXTS, receiver=RECEIVER, alerts={**array(ALERT), "minItems": 1}, routeLabels=_TEXTS)
MATCHER = obj(name=_TEXT, value=_TEXT, isRegex={"type": "boolean"}, isEqual={"type": "boolean"})
SILENCE = obj(
    id={"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
    status=obj(state={"enum": ["expired", "active", "pending"]}),
    updatedAt=_TIME,
    startsAt=_TIME,
    endsAt=_TIME,
    createdBy=_TEXT,
    comment=_TEXT,
    annotations=_TEXTS,
    matchers={**array(MATCHER), "minItems": 1},
)
STATUS = obj(
    cluster=obj(name=_TEXT, status={"enum": ["ready", "settling", "disabled"]}, peers=array({})),
    config=obj(original=_TEXT),
    uptime=_TIME,
    versionInfo=obj(version=_TEXT, revision=_TEXT, branch=_TEXT, buildUser=_TEXT, buildDate=_TEXT, goVersion=_TEXT),
)
_MAYBE_TIME = {"anyOf": [_TIME, {"type": "null"}]}
_MAYBE_TEXT = {"type": ["string", "null"]}
_MAYBE_NUMBER = {"type": ["number", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
LINE = obj(
    id=_COUNT, integration=_TEXT, group=_TEXT, receiver=_TEXT, notification=_TEXT, number=_COUNT, reason=_TEXT,
    status={"enum": ["due", "sent", "failed", "replaced"]}, attempts=_COUNT, note=_MAYBE_TEXT, created=_TIME, due=_TIME,
    settled=_MAYBE_TIME,
)  # fmt: skip
EXPLAINED = obj(
    id=_TEXT, fingerprint=_TEXT, status={"enum": ["firing", "resolved"]}, level=_TEXT, labels=_TEXTS, starts_at=_TIME,
    ends_at=_MAYBE_TIME, first_seen=_TIME, state={"enum": ["unprocessed", "active", "suppressed", "resolved"]},
    held_back_by=_NAMES, routes=array(obj(path=_TEXT, key=_TEXT, receiver=_TEXT)),
    groups=array(obj(
        id=_TEXT, kind=_TEXT, key=_TEXT, receiver=_TEXT, next_look=_TIME, told=_MAYBE_TEXT, told_level=_MAYBE_TEXT,
        held_back=_MAYBE_TEXT,
    )),
    decisions=array(obj(
        at=_TIME, what=_TEXT, text=_TEXT, receiver=_MAYBE_TEXT, integration=_MAYBE_TEXT, group=_MAYBE_TEXT,
        by=_MAYBE_TEXT, ref=_MAYBE_TEXT,
    )),
    deliveries=array(LINE),
    detection=obj(
        rule=_TEXT, detector=_TEXT, value=_MAYBE_NUMBER, expected=_MAYBE_NUMBER, lower=_MAYBE_NUMBER,
        upper=_MAYBE_NUMBER, score=_MAYBE_NUMBER, deviation=_MAYBE_NUMBER, why=_TEXT,
        evidence=array(obj(at=_TIME, value={"type": "number"})),
    ),
)  # fmt: skip


def check(schema: Schema, value: object) -> None:
    Draft202012Validator(schema).validate(value)
