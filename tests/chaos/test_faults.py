"""Faults on a real broker that take seconds each. `make chaos` runs all of them, and longer."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.chaos import rows, surroundings
from tests.chaos.bed import Bed, bed
from tests.chaos.oracle import Verdict

pytestmark = pytest.mark.kafka
FAULTS: dict[str, Callable[[Bed], None]] = {
    "kill-9-mid-batch": partial(rows.kill_mid_batch, times=1),
    "kill-9-after-publishing": rows.failpoint("published", 20),
    "kill-9-between-snapshot-and-commit": rows.failpoint("saved", 2),
    "sigterm-under-load": partial(rows.sigterm, times=1),
    "newest-snapshot-corrupt": rows.corrupt_newest,
    "topic-made-anew": surroundings.made_anew,
}
AT_ONCE = 3  # most of a fault is waiting, for a process to start or for a session to time out


@pytest.fixture(scope="module")
def verdicts(
    kafka: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[dict[str, "Future[Verdict]"]]:
    """Of the faults that this session was asked for."""

    def run(name: str, folder: Path) -> Verdict:
        with bed(kafka, folder, f"{name}-{uuid.uuid4().hex[:8]}", seconds=5.0) as ours:
            FAULTS[name](ours)
            return ours.finish()

    asked = [name for name in FAULTS if any(item.name.endswith(f"[{name}]") for item in request.session.items)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(run, name, tmp_path_factory.mktemp(name)) for name in asked}


@pytest.mark.parametrize("fault", FAULTS)
def test_alerts_and_state_are_as_if_nothing_had_happened(fault: str, verdicts: dict[str, "Future[Verdict]"]) -> None:
    verdict = verdicts[fault].result()
    assert verdict.exact, verdict
    assert verdict.expected > 100
