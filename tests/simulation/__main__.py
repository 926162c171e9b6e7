"""Command line: many seeds with progress, or one with its trace."""

import argparse
import gc
import sys
import time
import traceback
from collections import Counter

from tests.simulation.run import Outcome, simulate


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, help="only this one, with its trace")
    chosen = parser.parse_args()
    if chosen.seed is not None:
        outcome = simulate(chosen.seed)
        print("\n".join(outcome.trace))
        return _tell(outcome)
    # Tasks that died with their process are cycles; to look for them after every 700 objects is a tenth of the time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    counts: Counter[str] = Counter()
    started_s = time.perf_counter()
    failed = 0
    for n, seed in enumerate(range(chosen.first, chosen.first + chosen.seeds), 1):
        outcome = simulate(seed)
        counts.update(outcome.counts)
        failed += _tell(outcome)
        if n % 100 == 0 or n == chosen.seeds:
            seconds = time.perf_counter() - started_s
            print(f"{n} seeds, {failed} failed, {seconds:.1f} s, {n / seconds:.0f} seeds/s", flush=True)
    for name, count in sorted(counts.items()):
        if not name.startswith("step "):
            print(f"{count:8} {name}")
    return 1 if failed else 0


def _tell(outcome: Outcome) -> int:
    if outcome.error is None:
        return 0
    print(f"seed {outcome.seed} failed:", "".join(traceback.format_exception(outcome.error)[-4:]), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
