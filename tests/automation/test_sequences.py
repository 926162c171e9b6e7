"""Whatever happens in whatever order - alerts, time, people, the kill switch, deaths - what must never be never is."""

import contextlib
from contextlib import closing
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents.remedies.lifecycle import FINAL, NotNow
from pipeline.desk.automation import acts, people, switch
from pipeline.desk.incidents import people as incident_people
from pipeline.desk.incidents import store
from schemas.response.automation import Limit
from tests.automation.conftest import Fresh, Paged
from tests.automation.scene import CHANGE, UNDO, Killed, Means, World, rule
from tests.desk.script import Killed as Died
from tests.desk.script import dying, killed

LIMIT = Limit(3, 1800.0)
RULES = tuple(
    rule(name, mode=mode, settings=means, attempts=2, limit=LIMIT, cooldown_s=30.0, back_off_s=20.0,
         verify_within_s=120.0, settle_s=5.0, approve_within_s=600.0)
    for name, mode, means in (
        ("mend", "auto", Means(can_undo=True)),
        ("blind", "auto", Means(can_ask=False)),
        ("ask", "suggest", Means()),
    )
)  # fmt: skip
NAMES = ("a", "b", "c")
SERVICES = {"a": "shop", "b": "shop", "c": "cart"}

_names = st.sampled_from(NAMES)
STEPS = st.one_of(
    st.tuples(st.just("fire"), _names),
    st.tuples(st.just("end"), _names),
    st.tuples(st.just("lower"), _names),
    st.tuples(st.just("tick"), st.sampled_from([1.0, 10.0, 61.0, 130.0, 700.0])),
    st.tuples(st.just("tick"), st.sampled_from([1.0, 10.0, 61.0, 130.0, 700.0])),
    st.tuples(st.just("pause"), st.none()),
    st.tuples(st.just("resume"), st.none()),
    st.tuples(st.just("approve"), st.none()),
    st.tuples(st.just("reject"), st.none()),
    st.tuples(st.just("resolve"), st.none()),
    st.tuples(st.just("die at a call"), st.tuples(st.integers(1, 6), st.booleans())),
    st.tuples(st.just("die at a statement"), st.integers(1, 80)),
)


class Life:
    """One desk and those who take its place, and what is held true at every call that changes something."""

    def __init__(self, world: World, paged: Paged) -> None:
        self.world, self.paged, self.firing = world, paged, set[str]()
        self.changed: list[tuple[str, str, float]] = []  # remedy, target, when
        world.hands.on_call = self.on_call

    def on_call(self, name: str) -> None:
        if name not in (CHANGE, UNDO):
            return
        world = self.world
        assert world.db.read(switch.paused) is None, "while it is paused"
        begun = world.db.read(lambda conn: acts.in_states(conn, ["running", "undoing"]))
        for act in begun:
            same = [one for one in world.acts() if one.target == act.target and one.is_touching]
            assert [one.id for one in same] == [act.id], "two at once"

    def step(self, what: str, how: Any) -> None:
        world = self.world
        match what:
            case "fire":
                if how not in self.firing:
                    self.firing.add(how)
                    world.fire(how, service=SERVICES[how])
            case "end":
                if how in self.firing:
                    self.firing.discard(how)
                    world.change(how, None, SERVICES[how])
            case "lower":
                if how in self.firing:
                    world.change(how, "warning", SERVICES[how])
            case "tick":
                world.tick(how)
            case "pause":
                world.db.write(lambda conn: people.pause(conn, "ann", world.now_s))
            case "resume":
                world.db.write(lambda conn: people.resume(conn, "ann", world.now_s))
            case "approve" | "reject":
                say = people.approve if what == "approve" else people.reject
                for act in [one for one in world.acts() if one.state == "suggested"]:
                    with contextlib.suppress(NotNow):
                        world.db.write(lambda conn, act=act: say(conn, act.id, "ann", world.now_s))
            case "resolve":
                for incident in world.db.read(lambda conn: store.listed(conn, store.NOT_OVER)):
                    world.db.write(
                        lambda conn, number=incident.number: incident_people.resolve(
                            conn, world.desk, number, "ann", world.now_s
                        )
                    )
            case "die at a call":
                world.hands.died_at, world.hands.is_after = len(world.hands.calls) + how[0], how[1]
                self.tick_and_die()
                world.hands.died_at = None
            case "die at a statement":
                with dying(world.db, how, killed):
                    self.tick_and_die()
        self.check()

    def tick_and_die(self) -> None:
        try:
            self.world.tick(1.0)
        except (Killed, Died):
            self.world.runner = self.world.another_runner()

    def check(self) -> None:
        done = [act for act, _ in self.world.hands.changes]
        assert len(done) == len(set(done)), "done twice"
        known = {act.id: act for act in self.world.acts()}
        for act_id, target in self.world.hands.changes[len(self.changed) :]:
            self.changed.append((known[act_id].remedy, target, self.world.now_s))
        for remedy, target, at_s in self.changed:
            times = [
                t for r, to, t in self.changed if (r, to) == (remedy, target) and at_s - LIMIT.window_s < t <= at_s
            ]
            assert len(times) <= LIMIT.count, "more often than its limit"

    def end(self) -> None:
        """Everybody is let go on; in the end every act is over, and each that failed was escalated once."""
        self.step("resume", None)
        for _ in range(30):
            if all(act.state in FINAL for act in self.world.acts()):
                break
            self.step("tick", 130.0)
        found = self.world.acts()
        assert all(act.state in FINAL for act in found), [(act.name, act.state, act.reason) for act in found]
        told = sorted((number, why.split(": ")[1]) for number, _, why in self.paged)
        assert told == sorted((act.incident, act.name) for act in found if act.state == "escalated")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=3, max_size=25))
def test_whatever_happens(fresh: Fresh, paged: Paged, steps: list[tuple[str, Any]]) -> None:
    with closing(fresh()) as db:
        paged.clear()
        life = Life(World(db, *(replace(one) for one in RULES)), paged)
        for what, how in steps:
            life.step(what, how)
        life.end()
