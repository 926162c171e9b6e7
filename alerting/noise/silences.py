"""Silences, as Alertmanager means them: from when to when which alerts are held back; and their hygiene."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from alerting.alert import Alert
from schemas.matchers import Matchers

State = Literal["pending", "active", "expired"]
REMINDER_S = 1800.0


@dataclass(frozen=True)
class Silence:
    """Alerts that match are held back from `starts_at_s` until before `ends_at_s`. `id`: a UUID's text."""

    id: str
    matchers: Matchers
    starts_at_s: float
    ends_at_s: float
    created_by: str
    comment: str
    updated_at_s: float
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    def state(self, now_s: float) -> State:
        if now_s < self.starts_at_s:
            return "pending"
        return "active" if now_s < self.ends_at_s else "expired"


@dataclass(frozen=True)
class Reminder:
    """A silence that ends soon, and the alerts that will be heard then."""

    silence: Silence
    hidden: tuple[Alert, ...]


def check(silence: Silence, now_s: float) -> None:
    """Raises ValueError where Alertmanager would refuse it, with what would do."""
    if not silence.matchers.matchers:
        raise ValueError("a silence needs at least one matcher, for example alertname=Latency")
    # Each condition by itself: one of them must ask for something, or a typo silences everything.
    if all(Matchers((matcher,)).matches({}) for matcher in silence.matchers.matchers):
        raise ValueError(
            f"the matchers {silence.matchers} match an alert without labels, so nearly all; "
            "at least one must not match the empty text"
        )
    if silence.ends_at_s <= silence.starts_at_s:
        raise ValueError("a silence must end after it starts")
    if silence.ends_at_s <= now_s:
        raise ValueError("the silence would be over already; choose an end in the future")
    if not silence.comment.strip():
        raise ValueError("a silence needs a comment: why, and until what is done")


def can_become(old: Silence, new: Silence, now_s: float) -> bool:
    """Whether `new` may keep `old`'s id. If not, `old` is expired and `new` gets its own (as in Alertmanager).

    So that a silence's history stays true: what has hidden alerts keeps its matchers and its start.
    """
    state = old.state(now_s)
    if state == "expired" or old.matchers != new.matchers:
        return False
    if state == "active":
        return new.starts_at_s == old.starts_at_s and new.ends_at_s >= now_s
    return new.starts_at_s >= now_s


def expire(silence: Silence, now_s: float) -> Silence:
    """Ended now; one that hasn't started never will. One that is over stays as it is."""
    state = silence.state(now_s)
    if state == "expired":
        return silence
    starts_at_s = now_s if state == "pending" else silence.starts_at_s
    return replace(silence, starts_at_s=starts_at_s, ends_at_s=now_s, updated_at_s=now_s)


def preview(silence: Silence, alerts: Iterable[Alert]) -> list[Alert]:
    """The firing alerts it would hide if it were active."""
    return [alert for alert in alerts if alert.is_firing and silence.matchers.matches(alert.matchable())]


def reminders(
    silences: Sequence[Silence], now_s: float, firing: Iterable[Alert], within_s: float = REMINDER_S
) -> list[Reminder]:
    """Active silences that end within `within_s` and still hide firing alerts: prolong them, or mend the cause.

    A short silence is not reminded of before half of it is over.
    """
    ending = [
        silence
        for silence in silences
        if silence.state(now_s) == "active"
        and silence.ends_at_s - now_s <= min(within_s, (silence.ends_at_s - silence.starts_at_s) / 2)
    ]
    alerts = list(firing) if ending else []
    found = (Reminder(silence, tuple(preview(silence, alerts))) for silence in ending)
    return [reminder for reminder in found if reminder.hidden]
