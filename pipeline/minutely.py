"""What a worker's log says once a minute, and only where there is something that a person would act on."""

from collections import Counter
from collections.abc import Mapping

EVERY_S = 60.0
BEHIND_S = 60.0  # the newest applied record of a partition is as old: it has fallen behind


class Minutely:
    """Told the counts as they stand, it knows what is new since the last time.

    >>> minutely = Minutely()
    >>> minutely.lines({"not_json": 3, "metric_empty": 1}, {})
    [('events could not be read', {'dead_letters': 4, 'by_reason': {'not_json': 3, 'metric_empty': 1}})]
    >>> minutely.lines({"not_json": 3, "metric_empty": 1}, {"metrics/0": 5.0, "metrics/1": 90.4})
    [('falls behind', {'partitions': {'metrics/1': '90 s'}})]
    >>> minutely.lines({"not_json": 3, "metric_empty": 1}, {"metrics/1": 2.0})
    [('has caught up', {})]
    """

    def __init__(self) -> None:
        self._rejected: Counter[str] = Counter()
        self._is_behind = False

    def lines(self, rejected: Mapping[str, int], lag_s: Mapping[str, float]) -> list[tuple[str, dict[str, object]]]:
        """rejected: dead letters by reason since the start; lag_s: age of what was applied last, by partition."""
        found: list[tuple[str, dict[str, object]]] = []
        fresh = Counter(rejected) - self._rejected
        self._rejected = Counter(rejected)
        if fresh:
            found.append(
                ("events could not be read", {"dead_letters": fresh.total(), "by_reason": dict(fresh.most_common())})
            )
        behind = {name: f"{age_s:.0f} s" for name, age_s in sorted(lag_s.items()) if age_s >= BEHIND_S}
        if behind:
            found.append(("falls behind", {"partitions": behind}))
        elif self._is_behind:
            found.append(("has caught up", {}))
        self._is_behind = bool(behind)
        return found
