"""Circuit breaker of one integration: after several failures in a row it is left alone, then tried with one call.

A table, told the time.
"""

from dataclasses import dataclass, replace
from enum import Enum

FAILURES_MAX = 5
COOL_S = 30.0
COOL_MAX_S = 300.0


class State(Enum):
    CLOSED = "closed"  # calls go through
    OPEN = "open"  # none does
    TRYING = "trying"  # one is on its way; its outcome decides


class Act(Enum):
    SUCCESS = "success"
    FAILURE = "failure"
    LAST_FAILURE = "last failure"  # the one that is enough
    COOLED = "cooled"  # open for long enough, and somebody wants to call


TRANSITIONS: dict[tuple[State, Act], State] = {
    (State.CLOSED, Act.SUCCESS): State.CLOSED,
    (State.CLOSED, Act.FAILURE): State.CLOSED,
    (State.CLOSED, Act.LAST_FAILURE): State.OPEN,
    (State.CLOSED, Act.COOLED): State.CLOSED,
    # A call that was under way when it opened may still end.
    (State.OPEN, Act.SUCCESS): State.CLOSED,
    (State.OPEN, Act.FAILURE): State.OPEN,
    (State.OPEN, Act.LAST_FAILURE): State.OPEN,
    (State.OPEN, Act.COOLED): State.TRYING,
    (State.TRYING, Act.SUCCESS): State.CLOSED,
    (State.TRYING, Act.FAILURE): State.OPEN,
    (State.TRYING, Act.LAST_FAILURE): State.OPEN,
    (State.TRYING, Act.COOLED): State.TRYING,
}


@dataclass(frozen=True)
class Breaker:
    """failures: in a row. opened: times in a row that it opened; each doubles the wait, 30 s up to 300 s."""

    state: State = State.CLOSED
    failures: int = 0
    opened: int = 0
    since_s: float = 0.0

    @property
    def cool_s(self) -> float:
        return min(COOL_MAX_S, COOL_S * 2.0 ** min(max(self.opened - 1, 0), 10))

    def wait_s(self, now_s: float) -> float:
        """Seconds until a call may be tried; 0: now. A trial whose outcome never came is given up after `COOL_MAX_S`.

        >>> broken = Breaker(State.OPEN, failures=5, opened=1, since_s=100.0)
        >>> broken.wait_s(110.0), broken.wait_s(130.0)
        (20.0, 0.0)
        """
        if self.state is State.CLOSED:
            return 0.0
        pause_s = self.cool_s if self.state is State.OPEN else COOL_MAX_S
        return max(0.0, self.since_s + pause_s - now_s)

    def calling(self, now_s: float) -> "Breaker | None":
        """The breaker once a call is made now; None: no call may be made."""
        if self.wait_s(now_s) > 0.0:
            return None
        state = TRANSITIONS[self.state, Act.COOLED]
        return self if state is State.CLOSED else replace(self, state=state, since_s=now_s)

    def succeeded(self) -> "Breaker":
        return Breaker(TRANSITIONS[self.state, Act.SUCCESS])

    def failed(self, now_s: float) -> "Breaker":
        failures = self.failures + 1
        state = TRANSITIONS[self.state, Act.LAST_FAILURE if failures >= FAILURES_MAX else Act.FAILURE]
        opens = state is State.OPEN and self.state is not State.OPEN
        if opens:
            return Breaker(state, failures, self.opened + 1, now_s)
        return replace(self, state=state, failures=failures)
