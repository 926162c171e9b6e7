"""Why an alert isn't told now: seven reasons in a fixed order, asked when a message is about to be made.

Built once a round from what fires; asked for every member of every group that is due. Nothing of it is kept, so it is
as right after a restart or a replay as before.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from alerting.alert import Alert, Mute, Muted
from alerting.noise import intervals, maintenance
from alerting.noise.dependencies import Outages
from alerting.noise.inhibition import Inhibitor
from alerting.noise.matching import Index
from alerting.noise.silences import Silence
from schemas.desk import Desk, Route


class Snooze(msgspec.Struct, frozen=True, kw_only=True):
    """One person's "not now" to one episode of an alert."""

    episode: str
    until_s: float
    by: str = ""
    comment: str = ""


class Muters:
    """Everything that may hold an alert back at one moment.

    firing: all firing alerts, told or not, held back or not (what is silenced still inhibits). flapping: fingerprints.
    Over 10,000 alerts, 20 inhibit rules and 100 silences: 30 to 70 ms to build, 90 ms to ask for every one of them
    (`pytest -rP tests/alerting/test_muting.py -k ten_thousand` prints both).
    """

    def __init__(
        self,
        desk: Desk,
        silences: Sequence[Silence],
        snoozes: Iterable[Snooze],
        firing: Iterable[Alert],
        flapping: Collection[str],
        now_s: float,
    ) -> None:
        alerts = [(alert, alert.matchable()) for alert in firing if alert.is_firing]
        self._now_s = now_s
        self._flapping = flapping if desk.flapping.enabled else ()
        self._snoozes = {snooze.episode: snooze for snooze in snoozes if now_s < snooze.until_s}
        active = sorted((s for s in silences if s.state(now_s) == "active"), key=lambda s: (-s.ends_at_s, s.id))
        self._silences = Index((silence.matchers, silence) for silence in active)
        self._windows = Index(
            (planned.matchers, (planned, until_s))
            for planned in desk.maintenance
            if (until_s := maintenance.open_until_s(planned, now_s)) is not None
        )
        self._inhibitor = Inhibitor(desk.inhibit_rules, alerts)
        self._outages = Outages(desk.dependencies, desk.service_label, (alert for alert, _ in alerts))
        self._intervals = desk.time_intervals
        self._routes: dict[tuple[tuple[str, ...], tuple[str, ...]], Muted | None] = {}

    def why(self, alert: Alert, route: Route) -> Muted | None:
        """The first reason that applies; None: nothing holds it back."""
        labels = alert.matchable()
        return next((m for _, ask in MUTES if (m := ask(self, alert, labels, route)) is not None), None)

    def all_reasons(self, alert: Alert, route: Route) -> list[Muted]:
        """Every reason that applies, in their order, for `explain`."""
        labels = alert.matchable()
        return [m for _, ask in MUTES if (m := ask(self, alert, labels, route)) is not None]

    def silences_of(self, alert: Alert) -> list[Silence]:
        """All active ones that match, the longest first."""
        return list(self._silences.matching(alert.matchable()))

    def _snooze(self, alert: Alert, labels: Mapping[str, str], route: Route) -> Muted | None:
        snooze = self._snoozes.get(alert.episode)
        if snooze is None:
            return None
        return Muted("snooze", snooze.episode, f"snoozed{_by(snooze.by, snooze.until_s, snooze.comment)}")

    def _maintenance(self, alert: Alert, labels: Mapping[str, str], route: Route) -> Muted | None:
        found = next(self._windows.matching(labels), None)
        if found is None:
            return None
        planned, until_s = found
        return Muted("maintenance", planned.name, f"planned work until {_clock(until_s)}")

    def _silence(self, alert: Alert, labels: Mapping[str, str], route: Route) -> Muted | None:
        found = next(self._silences.matching(labels), None)
        if found is None:
            return None
        return Muted("silence", found.id, f"silenced{_by(found.created_by, found.ends_at_s, found.comment)}")

    def _inhibition(self, alert: Alert, labels: Mapping[str, str], route: Route) -> Muted | None:
        return self._inhibitor.why(labels)

    def _dependency(self, alert: Alert, labels: Mapping[str, str], route: Route) -> Muted | None:
        return self._outages.why(labels)

    def _time_interval(self, alert: Alert, labels: Mapping[str, str], route: Route) -> Muted | None:
        key = route.mute_time_intervals, route.active_time_intervals
        if key not in self._routes:
            self._routes[key] = intervals.why(route, self._intervals, self._now_s)
        return self._routes[key]

    def _flaps(self, alert: Alert, labels: Mapping[str, str], route: Route) -> Muted | None:
        if alert.fingerprint not in self._flapping:
            return None
        return Muted("flapping", alert.fingerprint, "fires and ends again and again; told when it has settled")


_Ask = Callable[[Muters, Alert, Mapping[str, str], Route], Muted | None]
MUTES: tuple[tuple[Mute, _Ask], ...] = (
    ("snooze", Muters._snooze),
    ("maintenance", Muters._maintenance),
    ("silence", Muters._silence),
    ("inhibition", Muters._inhibition),
    ("dependency", Muters._dependency),
    ("time_interval", Muters._time_interval),
    ("flapping", Muters._flaps),
)
"""In this order: what a person decided about this alert, then about many, then what the desk concludes."""


def _by(name: str, until_s: float, comment: str) -> str:
    return f"{f' by {name}' if name else ''} until {_clock(until_s)}{f': {comment}' if comment else ''}"


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
