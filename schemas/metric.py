"""What a series is: a metric name and labels, never the Kafka key."""

from collections.abc import Mapping
from dataclasses import dataclass

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
        return f"{self.metric}{{{', '.join(f'{name}={quote(value)}' for name, value in self.labels)}}}"


def quote(text: str) -> str:
    """PromQL string literal; control characters are escaped, so that a label can't forge a line of a terminal.

    >>> print(quote('a"b' + chr(10) + chr(27)))
    "a\\"b\\n\\x1b"
    """
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in plain) + '"'
