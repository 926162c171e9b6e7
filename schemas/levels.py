"""Levels and borders: `> 80`, `outside 10..90`, `1.0`. What a level is, and whether a number is over a border."""

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

LevelName = Literal["info", "warning", "critical"]
LEVELS: tuple[LevelName, ...] = ("info", "warning", "critical")  # in rising severity; its rank is index + 1, 0 is none


class Op(IntEnum):
    """How a number is compared with a border. Compiled code and saved state hold the numbers: never reuse one."""

    ABOVE = 0
    AT_LEAST = 1
    BELOW = 2
    AT_MOST = 3
    OUTSIDE = 4
    INSIDE = 5


_SIGNS = {">": Op.ABOVE, ">=": Op.AT_LEAST, "<": Op.BELOW, "<=": Op.AT_MOST}
_WORDS = {"above": Op.ABOVE, "below": Op.BELOW}
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_ONE = re.compile(rf"\s*(>=|<=|>|<|above|below)\s*({_NUMBER})\s*\Z")
_TWO = re.compile(rf"\s*(outside|inside)\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*\Z")
_BARE = re.compile(rf"\s*({_NUMBER})\s*\Z")


@dataclass(frozen=True)
class Border:
    """A comparison with one number, or with a closed range `low..high` (then `high` is used too)."""

    op: Op
    low: float
    high: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Border":
        """Read what a person writes.

        >>> Border.parse("> 80"), Border.parse("outside 10..90")
        (Border(op=<Op.ABOVE: 0>, low=80.0, high=0.0), Border(op=<Op.OUTSIDE: 4>, low=10.0, high=90.0))

        Raises ValueError with what would do.
        """
        if one := _ONE.match(text):
            sign, number = one.groups()
            return cls((_SIGNS | _WORDS)[sign], float(number))
        if two := _TWO.match(text):
            word, low, high = two.groups()
            if float(low) > float(high):
                raise ValueError(f"the range {low}..{high} is upside down; write {word} {high}..{low}")
            return cls(Op.OUTSIDE if word == "outside" else Op.INSIDE, float(low), float(high))
        if number := _BARE.match(text):
            raise ValueError(f'a border needs a direction, got "{number[1]}"; write "> {number[1]}"')
        raise ValueError(f'not a border: {text!r}; write for example "> 80", "<= 0.5" or "outside 10..90"')

    def __str__(self) -> str:
        """
        >>> str(Border.parse("above 80")), str(Border.parse("outside 10..90"))
        ('> 80', 'outside 10..90')
        """
        if self.op in (Op.OUTSIDE, Op.INSIDE):
            return f"{self.op.name.lower()} {self.low:g}..{self.high:g}"
        return f"{next(sign for sign, op in _SIGNS.items() if op == self.op)} {self.low:g}"

    @property
    def words(self) -> str:
        """For a sentence.

        >>> Border.parse(">= 80").words, Border.parse("outside 10..90").words
        ('at or above 80', 'outside 10..90')
        """
        if self.op in (Op.OUTSIDE, Op.INSIDE):
            return str(self)
        return f"{_IN_WORDS[self.op]} {self.low:g}"


_IN_WORDS = {Op.ABOVE: "above", Op.AT_LEAST: "at or above", Op.BELOW: "below", Op.AT_MOST: "at or below"}


def over(op: int, low: float, high: float, value: float) -> bool:
    """Whether `value` is over the border. Plain scalar Python: detectors and the alert lifecycle compile it.

    >>> over(Op.ABOVE, 80.0, 0.0, 80.0), over(Op.OUTSIDE, 10.0, 90.0, 91.0)
    (False, True)
    """
    if op == 0:
        return value > low
    if op == 1:
        return value >= low
    if op == 2:
        return value < low
    if op == 3:
        return value <= low
    if op == 4:
        return value < low or value > high
    return low <= value <= high
