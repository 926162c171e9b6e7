"""An alert event for a person's eyes. Names and labels come from strangers: they are shown, never obeyed."""

from rich.text import Text

from schemas.alert import AlertEvent
from schemas.levels import LEVELS
from schemas.metric import Series

STYLES = {"critical": "bold white on red", "warning": "bold black on yellow", "info": "bold black on cyan"}
_RESOLVED = "bold black on green"
_WIDTH = max(map(len, (*LEVELS, "resolved")))


def plain(text: str) -> str:
    r"""Text without control characters, line breaks and invisible or direction-changing marks; they are spelt out.

    >>> print(plain("a\x1b[2Jb\n\u202ec"))
    a\x1b[2Jb\n\u202ec
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def moment(written: str) -> str:
    """A moment of the API's, to the second; empty stays empty.

    >>> moment("2026-11-23T05:33:20.900125Z")
    '2026-11-23T05:33:20Z'
    """
    return f"{plain(written)[:19]}Z" if written else ""


def series_of(event: AlertEvent) -> str:
    """The alert's labels as PromQL writes a series, on one line."""
    labels = {name: value for name, value in event.labels.items() if name not in ("alertname", "metric")}
    return plain(str(Series.of(event.labels.get("metric", ""), labels)))


def numbers_of(event: AlertEvent) -> str:
    """The value against what was expected, where something was."""
    if event.value is None:
        return "no value"
    expected = "" if event.expected is None else f", expected {event.expected:.6g}"
    return f"{event.value:.6g}{expected}"


def render(event: AlertEvent) -> Text:
    """Two lines: level, time, rule, series and numbers; then the sentence why. No markup is read anywhere in it."""
    level = event.level or "resolved"
    line = Text()
    line.append(f" {level.upper():<{_WIDTH}} ", STYLES.get(level, _RESOLVED))
    line.append(f" {plain(event.at)}  ", "dim")
    line.append(plain(event.rule), "bold")
    line.append(f"  {series_of(event)}  {numbers_of(event)}\n")
    line.append(" " * (_WIDTH + 3) + plain(event.why), "italic")
    return line


def rank_of(event: AlertEvent) -> int:
    """1..3: the worse of the level reached and the level left, so that a resolution is as loud as what it ends."""
    return max(LEVELS.index(level) + 1 if level else 0 for level in (event.level, event.previous_level))
