"""Over whole lives of groups: each start that was told is followed by its end, and nothing is told twice."""

from dataclasses import dataclass, field

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alerting.alert import Alert, Group, Member, Muted, Notification
from alerting.noise.flush import flush, next_flush_on_change
from schemas.levels import LEVELS, LevelName
from tests.alerting.making import alert, group, member, route

SILENCE = Muted("silence", "s1", "silenced by ann")
ROUTE = route(group_wait_s=30.0, group_interval_s=300.0, repeat_interval_s=3600.0)
NAMES = ("a", "b", "c")
ACTS = st.one_of(
    st.tuples(st.just("fire"), st.sampled_from(NAMES), st.sampled_from(LEVELS)),
    st.tuples(st.just("end"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.sampled_from(("silence", "flap", "free", "acknowledge", "leave")), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("wait"), st.none(), st.floats(1.0, 2000.0)),
)


@dataclass
class Life:
    """One group, the shell around it, and a receiver that notices what doesn't fit."""

    now_s: float = 1000.0
    alerts: dict[str, Alert] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    mutes: dict[str, Muted] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    group: Group | None = None
    notes: list[Notification] = field(default_factory=list)
    open: dict[str, LevelName] = field(default_factory=dict)
    episodes: int = 0

    def act(self, act: str, name: str | None, value: object) -> None:
        if act == "wait":
            self.pass_time(float(str(value)))
        elif name is not None and act == "fire":
            self.fire(name, str(value))
        elif name is not None and act == "end" and name in self.alerts:
            self.alerts[name] = msgspec.structs.replace(self.alerts[name], status="resolved", ends_at_s=self.now_s)
        elif name is not None and act in ("silence", "flap"):
            self.mutes[name] = SILENCE if act == "silence" else Muted("flapping", name, "")
        elif name is not None and act == "free":
            self.mutes.pop(name, None)
        elif name in self.alerts and act == "acknowledge":
            self.acknowledged.add(self.alerts[name].episode)
        elif name in self.members and act == "leave":
            self.members[name] = msgspec.structs.replace(self.members[name], departed=True)

    def fire(self, name: str, level_text: str) -> None:
        level: LevelName = next(known for known in LEVELS if known == level_text)
        before = self.alerts.get(name)
        if before is None or not before.is_firing:
            self.episodes += 1
            now = alert(name, level, episode=f"{name}-{self.episodes}", starts_at_s=self.now_s)
        else:
            now = msgspec.structs.replace(before, level=level)
        self.alerts[name] = now
        known = self.members.get(name) or member(now)
        self.members[name] = msgspec.structs.replace(known, departed=False)
        if self.group is None:
            self.group = group(self.now_s)
        elif before is not None and before.is_firing and LEVELS.index(level) > LEVELS.index(before.level):
            next_s = next_flush_on_change(self.group, "raised", self.now_s, ROUTE.group_wait_s)
            self.group = msgspec.structs.replace(self.group, next_flush_s=next_s)

    def pass_time(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while self.group is not None and self.group.next_flush_s <= until_s:
            self.now_s = max(self.now_s, self.group.next_flush_s)
            self.flush(self.group)
        self.now_s = until_s

    def flush(self, before: Group) -> None:
        pairs = [(m, self.alerts[name]) for name, m in self.members.items()]
        answer = flush(before, pairs, ROUTE, self.mutes, frozenset(self.acknowledged), self.now_s)
        again = flush(before, pairs, ROUTE, self.mutes, frozenset(self.acknowledged), self.now_s)
        assert answer == again, "the same inputs give the same answer, ids included"
        backwards = flush(before, pairs[::-1], ROUTE, self.mutes, frozenset(self.acknowledged), self.now_s)
        assert backwards.notification == answer.notification, "in any order"
        if answer.notification is not None:
            self.hear(answer.notification, before)
        self.group, self.members = answer.group, {m.fingerprint: m for m in answer.members}
        assert (self.group is None) is (not self.members)

    def hear(self, note: Notification, before: Group) -> None:
        news = []
        for told in note.alerts:
            name, was = told.alert.fingerprint, self.open.get(told.alert.fingerprint)
            if told.what in ("resolved", "departed"):
                assert was is not None, f"told the end of {name}, which was never told"
                assert told.what == "departed" or told.alert.status == "resolved"
                del self.open[name]
                news.append(told)
                continue
            assert told.alert.is_firing
            muted = self.mutes.get(name)
            assert muted is None or (muted.by == "flapping" and told.what == "flapping")
            if told.what in ("same", "raised", "lowered"):
                assert was is not None
                change = LEVELS.index(told.alert.level) - LEVELS.index(was)
                assert told.what == ("raised" if change > 0 else "lowered" if change < 0 else "same")
            if told.what not in ("same", "flapping"):
                news.append(told)
            self.open[name] = told.alert.level
        if note.reason == "repeat_interval":
            assert not news
            assert before.last_told_s is not None
            assert self.now_s - before.last_told_s >= ROUTE.repeat_interval_s - 0.01
        else:
            assert news or any(told.what == "flapping" for told in note.alerts)
        self.notes.append(note)


@given(st.lists(ACTS, max_size=40))
def test_whoever_saw_a_start_sees_its_end_and_nothing_is_told_twice(acts: list[tuple[str, str | None, object]]) -> None:
    life = Life()
    for act, name, value in acts:
        life.act(act, name, value)
    for name in NAMES:
        life.act("end", name, None)
        if name in life.mutes and life.mutes[name].by == "flapping":
            del life.mutes[name]  # it settles sooner or later
    life.pass_time(1000.0)
    assert life.open == {}
    assert life.group is None
    assert len({note.id for note in life.notes}) == len(life.notes)


@given(st.lists(ACTS, max_size=20))
def test_what_fires_unmuted_is_known_one_group_interval_later(acts: list[tuple[str, str | None, object]]) -> None:
    life = Life()
    for act, name, value in acts:
        life.act(act, name, value)
    life.pass_time(ROUTE.group_interval_s + 1.0)
    for name, m in life.members.items():
        if life.alerts[name].is_firing and not m.departed and name not in life.mutes:
            assert life.open[name] == life.alerts[name].level


@given(st.sampled_from(NAMES), st.integers(0, 1), st.floats(31.0, 299.0))
def test_raising_is_told_at_once(name: str, from_rank: int, after_s: float) -> None:
    life = Life()
    life.act("fire", name, LEVELS[from_rank])
    life.pass_time(after_s)
    life.act("fire", name, LEVELS[from_rank + 1])
    life.pass_time(0.0)
    assert [note.reason for note in life.notes] == ["first_notification", "level_raised"]
    assert life.notes[-1].at_s == 1000.0 + after_s
