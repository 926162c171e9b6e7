"""Draws what a terminal shows, for the documentation: `FORCE_COLOR=1 COMMAND | scripts/picture.py TITLE > x.svg`."""

import sys

from rich.console import Console
from rich.text import Text

COLUMNS = 120


def main(title: str) -> None:
    console = Console(record=True, width=COLUMNS, file=sys.stderr, force_terminal=True, highlight=False)
    for line in sys.stdin.read().splitlines():
        console.print(Text.from_ansi(line))
    sys.stdout.write(console.export_svg(title=title))


if __name__ == "__main__":
    main(*sys.argv[1:])
