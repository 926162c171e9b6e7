"""An Alertmanager, or every member of a cluster of them: API v2, `POST /api/v2/alerts`.

It forgets what it isn't told again and again, and an alert whose `endsAt` passes has ended. So we end by ourselves
where the desk dies, and a member that was away knows all a minute after it is back. That is also why a member that
doesn't answer holds up nobody: where one of them took the alerts, they are told, and the others get them with the next
round (`resend_every_s`). What they missed meanwhile stands in the handle under `untold`.
"""

import re
from collections.abc import Generator, Sequence
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import Field

from alerting.alert import Notification
from alerting.notifiers.base import Call, Context, Conversation, Handle, Notifier
from alerting.notifiers.labels import LabelSet, evidence, label_sets
from alerting.notifiers.wire import JSON_HEADERS, json_body, said, settle
from alerting.words.escaping import line
from schemas.alert import rfc3339
from schemas.calls import HttpCall, Refused, Reply, Retry
from schemas.config.http_config import HttpConfig
from schemas.config.section import Section
from schemas.config.values import Duration, SecretAddress

BATCH_MAX = 64  # as Prometheus sends (`notifier.DefaultMaxBatchSize` is 256); a bad one costs less to find
# Prometheus' rule (docs/alerts_api.md): a firing alert ends by itself after four rounds without us.
ENDS_AFTER_ROUNDS = 4
# A batch of which the members think so may hold good alerts: they are told apart by halving it.
_HALVED = frozenset({400, 413, 422})
_NAMED_MAX = 5  # bad alerts that a reason names
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_]")
# RFC 3986, narrowed to what Go's url.ParseRequestURI takes: else the whole batch is a 422.
_URI = re.compile(r"https?://[A-Za-z0-9._~:\[\]@-]+(?:[/?#](?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?")

_Unit = tuple[LabelSet, ...]


class AlertmanagerSettings(Section):
    """An Alertmanager that our alerts are passed on to."""

    urls: tuple[SecretAddress, ...] = Field(
        min_length=1,
        max_length=32,
        description="Each member of the cluster, as in `http://alertmanager-0:9093`; never a load balancer.",
    )
    timeout_s: Duration = Field(default=10.0, gt=0, validation_alias="timeout", description="How long one may take.")
    http_config: HttpConfig | None = Field(default=None, description="How they are spoken to.")


class Alertmanager(Notifier):
    """One label set an alert and level; every URL is told."""

    kind = "alertmanager"
    Settings = AlertmanagerSettings
    pace = (100, 1.0)  # documented nowhere; 1000 alerts in one call took it 10 ms
    resend_every_s = 60.0  # Prometheus' `--rules.alert.resend-delay`
    resend_resolved_for_s: ClassVar[float] = 900.0  # Prometheus' `resolvedRetention` (rules/alerting.go)
    keeps_incident = True

    settings: AlertmanagerSettings

    def deliver(self, note: Notification, handle: Handle, context: Context) -> Conversation:
        ends_at_s = context.now_s + ENDS_AFTER_ROUNDS * self.resend_every_s
        # An alert that left for another group may be told from there, to the same Alertmanager, with the same labels.
        # Its end would be the other's end: it isn't told, and comes by itself where nobody goes on with it.
        left = {told.alert.fingerprint for told in note.alerts if told.what == "departed" and not told.previous_level}
        units = [unit for unit in label_sets(note) if unit[0].alert.fingerprint not in left]
        told, untold, refused = 0, [], []
        retry: Retry | None = None
        for secret in self.settings.urls:
            url = context.reveal(secret).strip().rstrip("/")
            try:
                bad = yield from self._tell(url, units, ends_at_s, context)
            except Retry as nothing:  # also thrown in by the shell where no reply came
                untold.append(f"{_host(url)}: {nothing.reason}")
                retry = nothing
            except Refused as error:
                refused.append(f"{_host(url)}: {error.reason}")
            else:
                told += 1
                refused += bad[:1]  # all members read alike: one says it for all
        if not told:
            if retry is not None:
                raise Retry("; ".join(untold + refused), retry.after_s)
            raise Refused("; ".join(refused))
        return {key: "; ".join(texts) for key, texts in (("untold", untold), ("refused", refused)) if texts}

    def _tell(
        self, url: str, units: Sequence[_Unit], ends_at_s: float, context: Context
    ) -> Generator[Call, Reply, list[str]]:
        """All of it to one member; halves each batch that it refuses until what it refuses is alone.

        Returns a sentence about those, or nothing. Raises Refused where it refused every one.
        """
        batches = list(reversed(_batches(units)))
        bad: list[str] = []
        while batches:
            batch = batches.pop()
            reply = yield HttpCall(
                "POST",
                f"{url}/api/v2/alerts",
                JSON_HEADERS,
                json_body([_wire(one, ends_at_s, context) for unit in batch for one in unit]),
                self.settings.timeout_s,
            )
            if reply.status in _HALVED and len(batch) > 1:
                middle = len(batch) // 2
                batches += [batch[middle:], batch[:middle]]
            elif reply.status in _HALVED:
                bad.append(f"{line(str(sanitised(batch[0][0].labels)), 300)}: {reply.status} {said(reply)}")
            else:
                settle(reply, "it", context.now_s)
        if not bad:
            return []
        named = "; ".join(bad[:_NAMED_MAX]) + (f"; and {len(bad) - _NAMED_MAX} more" if len(bad) > _NAMED_MAX else "")
        sentence = f"refused {len(bad)} of {len(units)} alerts: {named}"
        if len(bad) == len(units):
            raise Refused(sentence)
        return [sentence]


def sanitised(labels: dict[str, str]) -> dict[str, str]:
    """Names as every version takes them (`[a-zA-Z_][a-zA-Z0-9_]*`), without empty values, which mean no label.

    >>> sanitised({"metric.name": "a", "metric_name": "b", "2xx": "c", "zone": ""})
    {'metric_name': 'b', '_2xx': 'c', 'metric_name_': 'a'}

    Names that are right stay; of others that become alike, later ones get one more `_`.
    """
    right = {name: value for name, value in labels.items() if value and _name(name) == name}
    for name in sorted(labels):
        if labels[name] and name not in right:
            new = _name(name)
            while new in right:
                new += "_"
            right[new] = labels[name]
    return right


def _name(name: str) -> str:
    ascii_only = _NOT_IN_A_NAME.sub("_", name)
    return ascii_only if ascii_only and not ascii_only[0].isdigit() else f"_{ascii_only}"


def _wire(one: LabelSet, ends_at_s: float, context: Context) -> dict[str, object]:
    alert = one.alert
    link = context.link("alert", alert.fingerprint)
    return {
        "labels": sanitised(one.labels),
        "annotations": sanitised({**evidence(alert), **alert.annotations}),
        "startsAt": rfc3339(one.starts_at_s),
        "endsAt": rfc3339(ends_at_s if one.ends_at_s is None else one.ends_at_s),
        "generatorURL": next((url for url in (alert.generator_url, link) if _URI.fullmatch(url)), ""),
    }


def _batches(units: Sequence[_Unit]) -> list[list[_Unit]]:
    """At most BATCH_MAX alerts each; the two of a change of level are never parted."""
    batches: list[list[_Unit]] = []
    size = BATCH_MAX
    for unit in units:
        size += len(unit)
        if size > BATCH_MAX:
            batches.append([])
            size = len(unit)
        batches[-1].append(unit)
    return batches


def _host(url: str) -> str:
    """Enough to know the member by, without a password that may stand in its address."""
    return urlsplit(url).netloc.rpartition("@")[2] or "no address"
