"""Runs one seed, with the keeper's log as part of the trace."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from pipeline import keeper as keeper_module
from pipeline.keeper import Keeper
from tests.feedback import bar
from tests.simulation.streams import T0
from tests.simulation.world import World


@dataclass
class Outcome:
    seed: int
    counts: Counter[str]
    said: list[tuple[float, str, str]]
    error: BaseException | None = None

    @property
    def trace(self) -> list[str]:
        """Seconds since the beginning, who, and what."""
        return [f"{now_s - T0:10.1f} {who:6} {what}" for now_s, who, what in self.said]


class _Log:
    """The keeper's log, as part of the trace."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _write(self, event: str, **fields: object) -> None:
        self._world.say("log", f"{event} {fields}")

    info = warning = error = _write


def simulate(seed: int, keeper: type[Keeper] = Keeper, prepare: Callable[[World], None] = lambda _: None) -> Outcome:
    """Never raises: a broken promise is the outcome's error. prepare: what a test changes before it starts."""
    with bar.known():
        world = World(seed, keeper)
    log, keeper_module.log = keeper_module.log, _Log(world)
    outcome = Outcome(seed, world.counts, world.said)
    try:
        with bar.known():
            prepare(world)
            world.run()
    except Exception as error:
        outcome.error = error
    finally:
        keeper_module.log = log
        for worker in world.workers:
            worker.loop.kill()
    return outcome
