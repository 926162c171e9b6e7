"""Which incident an alert belongs to: the rules alone, without a database."""

import random
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from incidents import lifecycle
from incidents.lifecycle import Act, Refused
from incidents.model import Incident, Line, Part
from incidents.opening import Board, Join, Nothing, Open, Wait, decide
from incidents.timeline import FIRST, broken_at, chained
from schemas.desk import Dependency
from schemas.levels import LevelName
from schemas.matchers import Matchers
from schemas.response.incidents import IncidentPlan, IncidentRule

PLAN = IncidentPlan(rules=(IncidentRule("shop", Matchers()),), resolve_after_s=600.0, reopen_within_s=3600.0)
DEPENDENCIES = (Dependency("checkout", ("payment",)), Dependency("payment", ("database",)))


def alert(
    service: str = "checkout",
    name: str = "errors",
    *,
    level: LevelName = "critical",
    starts_s: float = 0.0,
    **labels: str,
) -> Part:
    whole = {"alertname": name, "service": service, **labels}
    print_ = "/".join(whole.values())  # what it is made of is no matter here
    return Part(
        incident=0,
        episode=f"{print_}-{starts_s:g}",
        fingerprint=print_,
        labels=whole,
        level=level,
        worst=level,
        is_firing=True,
        starts_at_s=starts_s,
        first_seen_s=starts_s,
        joined_s=starts_s,
        updated_s=starts_s,
    )


@dataclass
class World:
    """All incidents in memory, kept by the rules alone."""

    plan: IncidentPlan = PLAN
    board: Board = field(init=False)
    parts: dict[str, Part] = field(default_factory=dict)  # by episode
    members: dict[int, list[str]] = field(default_factory=dict)  # episodes by incident
    lines: dict[int, list[Line]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.board = Board(self.plan, DEPENDENCIES)

    def tell(self, part: Part, now_s: float) -> Any:
        answer = decide(self.board, part, now_s)
        match answer:
            case Join(incident, joined, lines):
                self._put(incident, [joined], lines)
            case Open():
                incident = replace(answer.incident, number=len(self.board.incidents) + 1)
                self._put(incident, [replace(one, incident=incident.number) for one in answer.parts], answer.lines)
                for number, line in answer.related.items():
                    self.lines[number].append(line)
            case Wait():
                self.board.wait(part)
        return answer

    def end(self, episode: str, now_s: float) -> None:
        """The alert is over, and so may be its incident."""
        part = self.parts.get(episode)
        self.board.waiting.pop(episode, None)
        if part is None or not part.is_firing:
            return
        self.parts[episode] = replace(part, is_firing=False, ends_at_s=now_s)
        incident = self.board.incidents[part.incident]
        if not any(one.is_firing for one in self.of(incident.number)) and incident.quiet_since_s is None:
            self.do(incident.number, "quiet", now_s)

    def do(self, number: int, act: Act, now_s: float) -> None:
        was = self.board.incidents[number]
        now = lifecycle.after(was, act, now_s, "ann")
        self._put(now, [], [Line(what="state", text=f"{act}: {was.state} -> {now.state}")])

    def of(self, number: int) -> list[Part]:
        return [self.parts[episode] for episode in self.members.get(number, ())]

    def _put(self, incident: Incident, parts: list[Part], lines: list[Line]) -> None:
        self.board.put(incident, parts)
        for part in parts:
            self.parts[part.episode] = part
            self.members.setdefault(incident.number, []).append(part.episode)
        self.lines.setdefault(incident.number, []).extend(lines)


def test_an_alert_at_the_rules_level_opens_an_incident_and_a_lesser_one_doesnt() -> None:
    world = World()
    assert isinstance(world.tell(alert(level="warning"), 5.0), Nothing)
    opened = world.tell(alert(), 6.0)
    assert isinstance(opened, Open)
    assert (opened.incident.service, opened.incident.rule, opened.incident.severity) == ("checkout", "shop", 2)
    assert opened.incident.title == "errors with service=checkout"
    assert [line.what for line in opened.lines] == ["opened", "joined"]


def test_the_same_episode_is_never_taken_twice() -> None:
    world = World()
    world.tell(alert(), 5.0)
    for _ in range(3):
        assert isinstance(world.tell(alert(), 50.0), Nothing)
    world.do(1, "resolve", 60.0)
    world.do(1, "close", 61.0)
    assert isinstance(world.tell(alert(), 99_999.0), Nothing)
    assert len(world.board.incidents) == 1


def test_alerts_join_by_rule_and_labels_and_others_have_their_own() -> None:
    world = World()
    world.tell(alert(host="a"), 5.0)
    joined = world.tell(alert(host="b"), 6.0)
    assert isinstance(joined, Join)
    assert joined.lines[0].text.endswith("rule shop with service=checkout")
    assert isinstance(world.tell(alert("search"), 7.0), Open)


def test_an_alert_that_depends_on_what_is_broken_joins_and_the_chain_is_named() -> None:
    world = World()
    world.tell(alert("database"), 5.0)
    joined = world.tell(alert("checkout"), 6.0)
    assert isinstance(joined, Join)
    assert "checkout -> payment -> database" in joined.lines[0].text
    world.do(1, "resolve", 7.0)
    assert isinstance(world.tell(alert("checkout", host="b"), 8.0), Open)


def test_a_cause_that_comes_later_is_named_on_both_sides() -> None:
    world = World()
    world.tell(alert("checkout"), 5.0)
    opened = world.tell(alert("database"), 6.0)
    assert isinstance(opened, Open)
    assert any(line.what == "related" and "INC-1" in line.text for line in opened.lines)
    assert "checkout -> payment -> database" in world.lines[1][-1].text


def test_several_alerts_are_waited_for_and_all_of_them_are_in_it() -> None:
    world = World(IncidentPlan((IncidentRule("many", Matchers(), alerts_min=3),)))
    assert world.tell(alert(host="a"), 5.0) == Wait("many", 1, 3)
    assert world.tell(alert(host="a"), 5.5) == Wait("many", 1, 3)
    assert world.tell(alert("search", host="z"), 5.7) == Wait("many", 1, 3)
    assert world.tell(alert(host="b"), 6.0) == Wait("many", 2, 3)
    opened = world.tell(alert(host="c", starts_s=2.0), 7.0)
    assert isinstance(opened, Open)
    assert {part.labels["host"] for part in opened.parts} == {"a", "b", "c"}
    assert opened.incident.detected_s == 0.0
    world.end(alert("search", host="z").episode, 8.0)
    assert world.tell(alert("search", host="y"), 9.0) == Wait("many", 1, 3)


def test_the_first_rule_that_has_enough_opens() -> None:
    rules = (IncidentRule("many", Matchers(), alerts_min=2), IncidentRule("db", Matchers.parse("service=database")))
    world = World(IncidentPlan(rules))
    opened = world.tell(alert("database"), 5.0)
    assert isinstance(opened, Open)
    assert opened.incident.rule == "db"


@pytest.mark.parametrize(
    ("act", "later_s", "level", "is_again"),
    [
        ("resolve", 3600.0, "critical", True),
        ("resolve", 3601.0, "critical", False),
        ("resolve", 10.0, "warning", False),  # it wouldn't have opened one
        ("mitigate", 1e6, "warning", True),  # it isn't over
        ("close", 10.0, "critical", False),
    ],
)
def test_an_alert_that_comes_back_reopens_while_that_is_recent(
    act: Act, later_s: float, level: LevelName, is_again: bool
) -> None:
    world = World()
    world.tell(alert(), 5.0)
    if act == "close":
        world.do(1, "resolve", 10.0)
    world.do(1, act, 10.0)
    answer = world.tell(alert(starts_s=9.0, level=level), 10.0 + later_s)
    assert isinstance(answer, Join) is is_again
    if is_again:
        assert world.board.incidents[1].state == "open"


def test_titles_are_filled_from_what_all_agree_in() -> None:
    rule = IncidentRule("many", Matchers(), title="{alertname} in {service} {host} {nothing}", alerts_min=2)
    world = World(IncidentPlan((rule,)))
    world.tell(alert(host="a"), 1.0)
    opened = world.tell(alert(host="b"), 2.0)
    assert opened.incident.title == "errors in checkout"


SERVICES = ("checkout", "payment", "database", "search")
_step = st.one_of(
    st.tuples(
        st.just("tell"), st.sampled_from(SERVICES), st.sampled_from("abc"), st.sampled_from(["warning", "critical"])
    ),
    st.tuples(st.just("end"), st.integers(0, 30)),
    st.tuples(st.just("act"), st.integers(0, 10), st.sampled_from(lifecycle.ACTS)),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 600.0, 5000.0])),
)
_plans = st.builds(
    IncidentPlan,
    rules=st.lists(
        st.builds(
            IncidentRule,
            name=st.sampled_from(["one", "two"]),
            matchers=st.sampled_from([Matchers(), Matchers.parse("service=~'check.*|data.*'")]),
            level=st.sampled_from(["warning", "critical"]),
            alerts_min=st.integers(1, 3),
            by=st.sampled_from([(), ("service",), ("service", "host")]),
        ),
        max_size=2,
        unique_by=lambda rule: rule.name,
    ).map(tuple),
)


@given(_plans, st.lists(_step, max_size=60))
def test_whatever_happens_an_episode_is_in_one_incident_and_nothing_is_lost(
    plan: IncidentPlan, steps: list[Any]
) -> None:
    world, now_s = World(plan), 0.0
    told: list[Part] = []
    is_opened_by_hand = False
    for step in steps:
        now_s += 1.0
        match step:
            case ("tell", service, host, level):
                running = [one for one in told if one.labels["service"] == service and one.labels["host"] == host]
                running = [one for one in running if world.parts.get(one.episode, one).is_firing]
                part = (
                    replace(running[-1], level=level)
                    if running
                    else alert(service, host=host, starts_s=now_s, level=level)
                )
                told.append(part)
                world.tell(part, now_s)
            case ("end", index) if told:
                world.end(told[index % len(told)].episode, now_s)
            case ("act", index, act) if world.board.incidents:
                number = 1 + index % len(world.board.incidents)
                if act in ("merge", "split", "alert", "quiet"):
                    continue  # they move alerts, or say something of them
                try:
                    world.do(number, act, now_s)
                except Refused:
                    continue
                is_opened_by_hand |= act == "reopen"
            case ("wait", seconds):
                now_s += seconds
        for number, incident in world.board.incidents.items():
            parts = world.of(number)
            assert parts
            assert {one.incident for one in parts} == {number}
            assert incident.detected_s <= incident.opened_s <= now_s
            assert (incident.quiet_since_s is None) is any(one.is_firing for one in parts) or incident.state == "closed"
            entries = chained(number, world.lines[number], 0, FIRST, now_s)
            assert broken_at(entries) is None
            joined = [line.details["episode"] for line in world.lines[number] if line.what == "joined"]
            assert sorted(joined) == sorted(one.episode for one in parts)
    live = [(i.rule, tuple(i.labels.items())) for i in world.board.incidents.values() if not i.is_over and i.rule]
    assert len(live) == len(set(live)) or is_opened_by_hand, "two live incidents of a kind"


@given(st.lists(st.tuples(st.sampled_from(SERVICES), st.sampled_from("abcde")), max_size=25))
def test_how_a_stream_is_cut_is_no_matter(told: list[tuple[str, str]]) -> None:
    """Also when parts of it come again."""
    once, again = World(), World()
    for number, (service, host) in enumerate(told):
        once.tell(alert(service, host=host), float(number))
        for back in range(max(0, number - 3), number + 1):
            again.tell(alert(told[back][0], host=told[back][1]), float(number))
    assert once.board.incidents == again.board.incidents
    assert once.parts == again.parts


def test_ten_thousand_incidents_live_and_end_in_seconds() -> None:
    """Rules alone: opened, joined, acknowledged by some, over, back again for some, settled, closed."""
    chance, world, now_s = random.Random(9), World(), 0.0
    started_s = time.perf_counter()
    for number in range(10_000):
        now_s += 1.0
        hosts = [alert(f"s{number}", host=str(host), starts_s=now_s - 1.0) for host in range(chance.randint(1, 4))]
        for one in hosts:
            world.tell(one, now_s)
        if chance.random() < 0.5:
            world.do(number + 1, "acknowledge", now_s)
        for one in hosts:
            world.end(one.episode, now_s + 0.1)
        if chance.random() < 0.2:
            back = alert(f"s{number}", host=hosts[0].labels["host"], starts_s=now_s + 0.2)
            assert isinstance(world.tell(back, now_s + 0.3), Join)
            world.end(back.episode, now_s + 0.4)
        world.do(number + 1, "settled", now_s + 0.5)
        if chance.random() < 0.5:
            world.do(number + 1, "aged", now_s + 0.6)
    assert time.perf_counter() - started_s < 20.0
    states = {incident.state for incident in world.board.incidents.values()}
    assert len(world.board.incidents) == 10_000
    assert states == {"resolved", "closed"}
    for incident in world.board.incidents.values():
        lasted = lifecycle.durations(incident)
        assert lasted.resolve_s is not None
        assert lasted.mitigate_s is not None
        assert lasted.mitigate_s <= lasted.resolve_s
