"""docs/inputs.md lists what the code does."""

import re
from pathlib import Path

from schemas.formats import FORMATS, Reason, Skip
from tests.formats.helpers import Reader

DOCS = (Path(__file__).parents[2] / "docs" / "inputs.md").read_text()


def test_every_reason_skip_and_format_has_its_line() -> None:
    lines = DOCS.splitlines()
    for words in (Reason, Skip):
        table = [f"| `{word}` | {word.sentence} |" for word in words]
        start = lines.index(table[0])
        assert lines[start : start + len(table)] == table
    assert all(f"| `{name}` |" in DOCS for name in FORMATS)


def test_the_events_shown_are_read() -> None:
    shown = re.findall(r"^(?:echo ')?(\{\"metric\".*?\})(?:'.*)?$", DOCS, re.MULTILINE)
    assert len(shown) == 2
    assert len(Reader().decode(*(text.encode() for text in shown))) == 2
