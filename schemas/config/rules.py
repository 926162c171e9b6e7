"""A rule as the engine takes it: everything resolved, nothing left to default. Made from the config by `resolve.py`."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from schemas.levels import Border, LevelName
from schemas.selector import Selector

PLACE_LABELS = ("kafka_topic", "kafka_partition")
"""Tell alerts about the silence of one partition from those of others: sets of series carry them where there are
several topics or partitions."""


@dataclass(frozen=True)
class DetectorSpec:
    """A detector with its settings, and the borders of the rule's levels that use it, mildest first."""

    kind: str
    params: BaseModel
    borders: tuple[Border, ...]


@dataclass(frozen=True)
class Level:
    """When an alert opens at this level, and when it leaves it.

    `rank` 1..3 is info, warning, critical; `detector` is an index into the rule's detectors. `open` is compared with
    the value or the score, as the detector says. It clears when `clear` holds for the value, or, where `clear` is None:
    with `clear_deviation`, when |deviation| is below so many robust sigmas; without, when `open` no longer holds.
    """

    rank: int
    name: LevelName
    detector: int
    open: Border
    clear: Border | None = None
    clear_deviation: float | None = None
    for_s: float = 0.0
    keep_firing_for_s: float = 0.0


@dataclass(frozen=True)
class Rule:
    """`levels` mildest first; `labels` and `annotations` sorted by name; `config_hash` as `hash_of` makes it.

    back_off: whether openings by score wait after those before; budget_a_day: openings a day over all partitions, 0:
    without end.
    """

    name: str
    selector: Selector
    detectors: tuple[DetectorSpec, ...]
    levels: tuple[Level, ...]
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    stale_after_s: float = 3600.0
    config_hash: str = ""
    back_off: bool = False
    budget_a_day: float = 0.0
    group_by: tuple[str, ...] | None = None  # labels that tell its groups apart; None: each series for itself
    align_s: float = 60.0  # width of the buckets of time in which a group's members meet


def hash_of(rule: Rule) -> str:
    """16 hex digits over what decides: which series, levels, settings with defaults, timers. Not names or texts."""
    return _digest(_decides(rule))


def deciding_text(rules: Sequence[Rule]) -> str:
    """All rules with what decides in them, as canonical JSON: the config that made a state, no texts, no secrets."""
    return _canonical([{"name": rule.name} | _decides(rule) for rule in rules])


def _decides(rule: Rule) -> dict[str, object]:
    decides: dict[str, object] = {
        "match": str(rule.selector),
        "detectors": [[d.kind, d.params.model_dump(mode="json")] for d in rule.detectors],
        "levels": [
            [
                level.rank,
                level.detector,
                _numbers(level.open),
                _numbers(level.clear),
                level.clear_deviation,
                level.for_s,
                level.keep_firing_for_s,
            ]
            for level in rule.levels
        ],
        "stale_after_s": rule.stale_after_s,
    }
    if rule.back_off:
        decides["back_off"] = True
    if rule.budget_a_day:
        decides["budget_a_day"] = rule.budget_a_day
    if rule.group_by is not None:
        decides |= {"group_by": rule.group_by, "align_s": rule.align_s}
    return decides


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _digest(value: object) -> str:
    return hashlib.blake2b(_canonical(value).encode(), digest_size=8).hexdigest()


def _numbers(border: Border | None) -> tuple[int, float, float] | None:
    # Not str(border), which rounds to six digits.
    return (int(border.op), border.low, border.high) if border else None
