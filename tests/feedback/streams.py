"""Events and verdicts for tests of feedback."""

from itertools import pairwise

from pipeline.engine import Engine, Shard
from schemas.alert import AlertEvent, encode_alert, rfc3339
from schemas.control import Control, Verdict
from tests.engine.streams import Event, apply
from tests.feedback.bar import config

T0 = 1_795_412_000.0
CONFIG = """
limits: {idle_after: 1h, stale_after: 10m}
rules:
  - name: bar
    match: '{}'
    detector: bar
    levels: {warning: 1.0, critical: 4.0}
    back_off: false
  - name: fixed
    match: '{}'
    detector: threshold
    levels: {warning: "> 1000"}
"""


def shard_of(text: str = CONFIG) -> Shard:
    made = config(text)
    return Engine(made.rules, made.limits).shard()


def says(
    verdict: Verdict,
    holds_from_s: float,
    *,
    series: int = 1,
    number: int = 1,
    rule: str = "bar",
    undo: Control | None = None,
) -> Control:
    """Of the series that `tests.engine.streams.apply` makes. number: tells controls apart."""
    return Control(
        id=f"{number:016x}",
        verdict=verdict,
        undo=undo.id if undo else False,
        rule=rule,
        metric=f"m{series}",
        labels={"odd": "yes" if series % 2 else "no", "host": f"h{series}"},
        at=rfc3339(holds_from_s),
        holds_from=rfc3339(holds_from_s),
        by="ann",
    )


def run(shard: Shard, events: list[Event], cuts: tuple[int, ...] = ()) -> list[AlertEvent]:
    found = []
    for a, b in pairwise((0, *cuts, len(events))):
        found += apply(shard, events[a:b], a)
    return found


def encoded(found: list[AlertEvent]) -> list[bytes]:
    return [encode_alert(event) for event in found]
