"""What the courier counts; `metrics.py` shows it. Since this process started, by integration."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.desk.conversation import FAILURE_KINDS, Failed, Sent


@dataclass
class Counts:
    """notifications: conversations; failures: by integration and kind. on_seconds: told how long each took."""

    notifications: Counter[str] = field(default_factory=Counter)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    on_seconds: list[Callable[[str, float], None]] = field(default_factory=list)

    def start(self, integration: str) -> None:
        """At 0: a counter that appears with its first failure has no rise that `rate()` could see."""
        self.notifications[integration] += 0
        for kind in FAILURE_KINDS:
            self.failures[integration, kind] += 0

    def count(self, integration: str, outcome: Sent | Failed, seconds: float) -> None:
        self.notifications[integration] += 1
        if isinstance(outcome, Failed):
            self.failures[integration, outcome.kind] += 1
        for observe in self.on_seconds:
            observe(integration, seconds)
