"""What a series is: a metric name and labels, never the Kafka key."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.promql_text import quoted

Labels = tuple[tuple[str, str], ...]  # sorted by name


@dataclass(frozen=True)
class Series:
    """One metric with one set of labels. Two spellings of the same name and labels are the same series."""

    metric: str
    labels: Labels = ()

    @classmethod
    def of(cls, metric: str, labels: Mapping[str, str]) -> "Series":
        """
        >>> Series.of("up", {"b": "2", "a": "1"}) == Series.of("up", {"a": "1", "b": "2"})
        True
        """
        return cls(metric, tuple(sorted(labels.items())))

    def __str__(self) -> str:
        """As PromQL writes it; hostile label text stays on one line and inside its quotes.

        >>> print(Series.of("up", {"host": 'a"b'}))
        up{host="a\\"b"}
        """
        if not self.labels:
            return self.metric
        return f"{self.metric}{{{', '.join(f'{name}={quoted(value)}' for name, value in self.labels)}}}"
