"""What a river model has learned, as a row of plain numbers, and back: nothing is pickled, nothing named by the data.

Knows, for the classes in LEARNED and for no other, which attributes learning changes; all else comes from building the
model anew with the same arguments. Numbers are written and read in one fixed order, so a saved row can only ever put
numbers where numbers were.
"""

from collections.abc import Iterator
from typing import Any

from detectors.base import Floats

LEARNED: dict[str, tuple[str, ...]] = {
    "river.anomaly.gaussian.GaussianScorer": ("gaussian",),
    "river.anomaly.hst.HalfSpaceTrees": ("counter", "_first_window", "_tree_nodes"),
    "river.anomaly.sad.StandardAbsoluteDeviation": ("variance", "sub_stat"),
    "river.drift.page_hinkley.PageHinkley": (
        "_drift_detected",
        "_x_mean",
        "_sum_increase",
        "_sum_decrease",
        "_min_increase",
        "_max_decrease",
    ),
    "river.proba.gaussian.Gaussian": ("_var",),
    "river.stats.mean.Mean": ("n", "_mean"),
    "river.stats.var.Var": ("mean", "_S"),
    "river.tree.padded.PaddedBranch": ("l_mass", "r_mass"),
    "river.tree.padded.PaddedLeaf": ("l_mass", "r_mass"),
}
"""By full class name: numbers, objects of these classes, or lists of them. The rest of each class does not change."""


class UnknownPart(Exception):
    """The model holds something that LEARNED does not list: it can't be saved."""


def number_count(model: Any) -> int:
    """Numbers that this model's state takes; 0 where it can't be saved. Of a model that has learned at least once."""
    try:
        return sum(1 for _ in _places(model))
    except UnknownPart:
        return 0


def save(model: Any, numbers: Floats) -> None:
    for i, (owner, name) in enumerate(_places(model)):
        numbers[i] = getattr(owner, name)


def restore(model: Any, numbers: Floats) -> None:
    """Into a model built with the same arguments, that has learned at least once: whatever it learned is replaced."""
    for (owner, name), number in zip(list(_places(model)), numbers.tolist(), strict=True):
        was = getattr(owner, name)
        if isinstance(was, bool):
            setattr(owner, name, bool(number))
        else:
            setattr(owner, name, int(number) if isinstance(was, int) and number.is_integer() else number)


def _places(part: Any) -> Iterator[tuple[Any, str]]:
    """Every number that learning changes: its object and its attribute."""
    kind = f"{type(part).__module__}.{type(part).__qualname__}"
    if kind not in LEARNED:
        raise UnknownPart(kind)
    for name in LEARNED[kind]:
        value = getattr(part, name)
        if isinstance(value, int | float):
            yield part, name
        else:
            yield from _within(value)


def _within(value: Any) -> Iterator[tuple[Any, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _within(item)
    else:
        yield from _places(value)
