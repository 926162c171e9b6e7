"""How an integration fares: what it failed with, since when, and until when it is left alone. Told the time."""

from dataclasses import dataclass, replace

from alerting.delivery.backoff import FIRST_S, RETRY_AFTER_MAX_S
from alerting.delivery.breaker import Breaker
from pipeline.desk.conversation import Failed, Sent


@dataclass(frozen=True)
class Health:
    """failing_since_s: the first failure since a message last arrived. asked_until_s: where the service said so."""

    breaker: Breaker
    failing_since_s: float | None = None
    asked_until_s: float = 0.0
    why: str = ""

    def wait_s(self, now_s: float) -> float:
        """Seconds to leave it alone; 0: none."""
        return max(self.breaker.wait_s(now_s), self.asked_until_s - now_s, 0.0)

    def waiting(self, now_s: float) -> Failed:
        """What becomes of a message meanwhile. Nothing was tried, so nothing is counted."""
        return Failed(f"left alone for a while: {self.why}", after_s=max(self.wait_s(now_s), FIRST_S))

    def calling(self, now_s: float) -> "Health":
        """Once `wait_s` is over."""
        return replace(self, breaker=self.breaker.calling(now_s) or self.breaker)

    def after(self, outcome: Sent | Failed, now_s: float) -> "Health":
        """A refusal is an answer: the service is there, and others of its messages may pass."""
        if isinstance(outcome, Sent):
            return Health(self.breaker.succeeded())
        since_s = now_s if self.failing_since_s is None else self.failing_since_s
        breaker = self.breaker.succeeded() if outcome.is_final else self.breaker.failed(now_s)
        asked_until_s = now_s + min(outcome.after_s or 0.0, RETRY_AFTER_MAX_S)
        return Health(breaker, since_s, max(self.asked_until_s, asked_until_s), outcome.reason)
