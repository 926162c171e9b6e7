"""What the demo promised and what was read back: told alert events, gives a verdict. No clock, no Kafka."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.demo.shop import FAULTS, NEW, Fault
from schemas.alert import AlertEvent
from schemas.levels import LevelName
from schemas.metric import Series


def is_about(event: AlertEvent, series: Series) -> bool:
    """The series' own labels stand in the alert beside the rule's."""
    return event.labels.get("metric") == series.metric and dict(series.labels).items() <= event.labels.items()


@dataclass
class Checks:
    """Alert events since the demo's start."""

    faults: Sequence[Fault] = FAULTS
    reached: dict[str, set[LevelName]] = field(default_factory=dict)  # by the fault's title
    false_alarms: list[AlertEvent] = field(default_factory=list)  # for the series that only warms up

    def take(self, event: AlertEvent) -> None:
        if is_about(event, NEW):
            self.false_alarms.append(event)
        for fault in self.faults:
            if event.level and event.rule == fault.rule and is_about(event, fault.series):
                self.reached.setdefault(fault.title, set()).add(event.level)

    def missing(self, fault: Fault) -> list[LevelName]:
        """Levels that were promised and not read back."""
        return [level for level in fault.levels if level not in self.reached.get(fault.title, ())]

    @property
    def complete(self) -> bool:
        return not any(map(self.missing, self.faults))

    @property
    def passed(self) -> bool:
        return self.complete and not self.false_alarms
