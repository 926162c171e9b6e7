"""What a text of a notification can say: Alertmanager's names, and ours beside them, in both spellings.

`.Alerts.Firing` and `.CommonLabels.service` mean what they mean in Alertmanager; `title`, `news`, `alert.values` and
the like are ours. Jinja2 texts say `common_labels`, `starts_at`, Go texts `CommonLabels`, `StartsAt`; each takes both.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from alerting.alert import Notification, Told
from alerting.words import texts
from alerting.words.go_time import ZERO_TIME_S, Moment, Seconds
from alerting.words.go_values import KV, GoObject, Listing, Missing

SHOWN_MAX = 50  # alerts that the default texts list one by one
PICTURES_MAX = 3


def snake(name: str) -> str:
    """
    >>> snake("StartsAt"), snake("GeneratorURL"), snake("Status")
    ('starts_at', 'generator_url', 'status')
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


@dataclass(frozen=True)
class Look:
    """What the data is made from. external_url: the desk's page; link: as in a notifier's context."""

    note: Notification
    external_url: str
    link: texts.Link

    @cached_property
    def ordered(self) -> list[Told]:
        return sorted(self.note.alerts, key=_place)

    @cached_property
    def shown(self) -> list[Told]:
        return texts.by_news(self.note.alerts)[:SHOWN_MAX]

    @cached_property
    def pictured(self) -> frozenset[str]:
        """Fingerprints of the alerts that a mail has pictures of."""
        found = [one.alert.fingerprint for one in self.shown if len(one.alert.evidence_v) > 1]
        return frozenset(found[:PICTURES_MAX])


class Fields(GoObject):
    """Fields that are made when they are first asked for: of 10,000 alerts a text reads few."""

    def __init__(self, kind: str, fields: Mapping[str, Callable[[], object]]) -> None:
        self.kind, self._fields = kind, fields
        self._made: dict[str, object] = {}

    def made(self) -> dict[str, object]:
        """All of them."""
        return {name: self.member(name) for name in self._fields}

    def member(self, name: str) -> object:
        if name not in self._made:
            make = self._fields.get(name)
            if make is None:
                shown = ", ".join(name for name in self._fields if name[0].isupper())
                raise Missing(f"{self.kind} has no field {name}; it has {shown}")
            self._made[name] = make()
        return self._made[name]

    def go_text(self) -> str:
        return "{" + " ".join(name for name in self._fields if name[0].isupper()) + "}"


class AlertData(GoObject):
    """One alert, for a text."""

    kind = "an alert"

    def __init__(self, told: Told, look: Look) -> None:
        self.told, self._look = told, look

    def member(self, name: str) -> object:
        make = _ALERT.get(name)
        if make is None:
            shown = ", ".join(name for name in _ALERT if name[0].isupper())
            raise Missing(f"an alert has no field {name}; it has {shown}; a label is .Labels.{name}")
        return make(self.told, self._look)

    def go_text(self) -> str:
        return texts.summary(self.told.alert)


def both(fields: Mapping[str, Callable[..., object]]) -> dict[str, Callable[..., object]]:
    """Each field in both spellings."""
    return {**fields, **{snake(name): make for name, make in fields.items()}}


def data(look: Look) -> "Fields":
    """The data of one notification."""
    note = look.note

    def listing(told: Iterable[Told]) -> Listing:
        return Listing([AlertData(one, look) for one in told], {})

    def ended(is_wanted: bool) -> Listing:
        return listing(one for one in look.ordered if _has_ended(one) is is_wanted)

    fields: dict[str, Callable[[], object]] = {
        "Receiver": lambda: re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", note.group.receiver),  # as Go's regexp.QuoteMeta
        "Status": lambda: note.status,
        "Alerts": lambda: Listing(
            [AlertData(one, look) for one in look.ordered],
            both({"Firing": lambda: ended(False), "Resolved": lambda: ended(True)}),
        ),
        "GroupLabels": lambda: KV(note.group.labels),
        "CommonLabels": lambda: KV(_common(_labels(one) for one in note.alerts)),
        "CommonAnnotations": lambda: KV(_common(one.alert.annotations for one in note.alerts)),
        "ExternalURL": lambda: look.external_url,
        "Title": lambda: texts.title(note),
        "Text": lambda: "\n".join(texts.details(note, 3000, look.link)),
        "News": lambda: texts.news(note),
        "Level": lambda: texts.level(note) or "",
        "Colour": lambda: texts.COLOURS[texts.level(note)],
        "Kind": lambda: note.group.kind,
        "Reason": lambda: note.reason,
        "Number": lambda: note.number,
        "Muted": lambda: note.muted,
        "Now": lambda: Moment(note.at_s),
        "Url": lambda: look.link("group", note.group.id) or look.external_url,
        "Shown": lambda: listing(look.shown),
        "More": lambda: len(note.alerts) - len(look.shown),
    }  # fmt: skip
    fields = both(fields)
    fields |= {
        "receiver": lambda: note.group.receiver,
        "firing": lambda: ended(False),
        "resolved": lambda: ended(True),
    }
    return Fields("a notification", fields)


def _place(told: Told) -> tuple[object, ...]:
    """Alertmanager's order (types.AlertSlice): by job and instance, those without last; then by labels."""
    labels = told.alert.labels
    overriding = [("job" not in labels, labels.get("job", "")), ("instance" not in labels, labels.get("instance", ""))]
    return (*overriding, len(labels), sorted(labels.items()))


def _labels(told: Told) -> dict[str, str]:
    """Texts know the level by Prometheus' name for it; `level` stays ours."""
    return {"severity": told.alert.level, **told.alert.labels}


def _common(several: Iterable[Mapping[str, str]]) -> dict[str, str]:
    common: dict[str, str] | None = None
    for labels in several:
        common = dict(labels) if common is None else {k: v for k, v in common.items() if labels.get(k) == v}
        if not common:
            break
    return common or {}


def _has_ended(told: Told) -> bool:
    return told.what in ("resolved", "departed")


def _ends_at(told: Told, look: Look) -> Moment:
    if not _has_ended(told):
        return Moment(ZERO_TIME_S)
    return Moment(look.note.at_s if told.alert.ends_at_s is None else told.alert.ends_at_s)


def _lasted(told: Told, look: Look) -> Seconds:
    until_s = _ends_at(told, look).unix_s if _has_ended(told) else look.note.at_s
    return Seconds(max(until_s - told.alert.starts_at_s, 0.0))


def _picture(told: Told, look: Look) -> str:
    return f"cid:{told.alert.fingerprint}" if told.alert.fingerprint in look.pictured else ""


_ALERT: dict[str, Callable[[Told, Look], object]] = both(
    {
        "Status": lambda told, look: "resolved" if _has_ended(told) else "firing",
        "Labels": lambda told, look: KV(_labels(told)),
        "Annotations": lambda told, look: KV(told.alert.annotations),
        "StartsAt": lambda told, look: Moment(told.alert.starts_at_s),
        "EndsAt": _ends_at,
        "GeneratorURL": lambda told, look: told.alert.generator_url,
        "Fingerprint": lambda told, look: told.alert.fingerprint,
        "Level": lambda told, look: told.alert.level,
        "PreviousLevel": lambda told, look: told.previous_level or "",
        "What": lambda told, look: told.what,
        "Rule": lambda told, look: texts.name(told.alert),
        "Detector": lambda told, look: told.alert.detector,
        "Value": lambda told, look: told.alert.value,
        "Expected": lambda told, look: told.alert.expected,
        "Lower": lambda told, look: told.alert.lower,
        "Upper": lambda told, look: told.alert.upper,
        "Score": lambda told, look: told.alert.score,
        "Deviation": lambda told, look: told.alert.deviation,
        "Direction": lambda told, look: told.alert.direction or "",
        "Why": lambda told, look: told.alert.why,
        "Head": lambda told, look: texts.head(told),
        "Summary": lambda told, look: texts.summary(told.alert),
        "Facts": lambda told, look: texts.facts(told, look.note.at_s),
        "Values": lambda told, look: texts.values(told.alert),
        "Since": lambda told, look: texts.since(told.alert, look.note.at_s),
        "Duration": _lasted,
        "Spark": lambda told, look: texts.spark(told.alert),
        "Links": lambda told, look: Listing(
            [
                Fields("a link", both({"Words": lambda w=words: w, "Address": lambda a=address: a}))
                for words, address in texts.links(told.alert, look.link)
            ],
            {},
        ),
        "Colour": lambda told, look: texts.COLOURS[None if _has_ended(told) else told.alert.level],
        "Picture": _picture,
        "Url": lambda told, look: look.link("alert", told.alert.fingerprint) or look.external_url,
    }
)
