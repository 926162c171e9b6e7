"""Who takes part: the lines of the throughput table, and what each is asked to do."""

from dataclasses import dataclass

from benchmarks.common import BATCH, SINGLE, Filled, Layout
from benchmarks.runs import Measured, run_peer, run_worker

WARM_UP_ROWS = 62  # of a series, until the default detector judges it (60) and all partitions are surely there


@dataclass(frozen=True)
class Contender:
    """`peer`: module under benchmarks/peers; None: ourselves."""

    name: str
    layout: Layout
    does: str
    peer: str | None = None
    events_max: int | None = None  # so that a slow one takes about ten seconds; None: all there are
    skip_rows: int = 0  # of each series, before the clock starts
    in_quick: bool = True
    snapshots_every: str = "30s"

    def run(self, bootstrap: str, filled: Filled, quick: bool) -> Measured:
        """One run in a process of its own. Raises Failed."""
        skip = self.skip_rows * filled.series
        if self.peer is None:
            return run_worker(bootstrap, filled, skip, self.snapshots_every)
        # The clock starts and stops at the end of a poll: without some room the last one might never come.
        events = int((filled.events - skip) * 0.97)
        if self.events_max is not None:
            events = min(events, self.events_max // (3 if quick else 1))
        return run_peer(bootstrap, filled, self.peer, events, skip)


_OURSELVES = "worker: baseline on every series, alerts published"
CONTENDERS = (
    Contender("tidegauge", SINGLE, _OURSELVES, skip_rows=WARM_UP_ROWS),
    Contender("aiokafka", SINGLE, "aiokafka + orjson, decodes only", "aiokafka_raw"),
    Contender("faust", SINGLE, "plain Faust agent, decodes only", "faust_plain", 150_000),
    Contender("bytewax", SINGLE, "Bytewax, EWMA a series", "bytewax_ewma", 1_000_000, skip_rows=1),
    Contender(
        "faust-river",
        SINGLE,
        "Faust + river GaussianScorer a series",
        "faust_river",
        100_000,
        skip_rows=1,
        in_quick=False,
    ),
    Contender("tidegauge-500", BATCH, _OURSELVES, skip_rows=WARM_UP_ROWS),
    Contender("aiokafka-500", BATCH, "aiokafka + orjson, decodes only", "aiokafka_raw"),
)
OURS = {contender.layout: contender.name for contender in CONTENDERS if contender.peer is None}
