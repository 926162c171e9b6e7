"""A shard that is saved and restored goes on as if nothing had happened, also under a changed config."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine import Engine, Shard
from pipeline.saved import capture, restore
from schemas.alert import AlertEvent, decode_alert, encode_alert
from tests.engine.streams import CONFIG, Event, alerts, apply, config, streams

T0 = 1_795_412_000.0
FIRING: list[Event] = [(1, T0 + i, 60.0 + (i * 7 % 5)) for i in range(400)] + [
    (1, T0 + 400 + i, 500.0) for i in range(10)
]

CALM: list[Event] = [(1, T0 + 410, 61.0), (1, T0 + 411, 61.0), (1, T0 + 420, 61.0)]


def shard_of(text: str = CONFIG) -> Shard:
    made = config(text)
    return Engine(made.rules, made.limits).shard()


def reborn(shard: Shard, text: str = CONFIG) -> tuple[Shard, list[AlertEvent]]:
    again = shard_of(text)
    return again, restore(again, capture(shard))


@settings(max_examples=60)
@given(streams(), st.data())
def test_a_restart_at_any_event_changes_no_alert(stream: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(stream)))
    shard = shard_of()
    found = apply(shard, stream[:cut])
    shard, ends = reborn(shard)
    assert ends == []
    found += apply(shard, stream[cut:], cut)
    assert [encode_alert(event) for event in found] == alerts(stream)


def after(change: Callable[[str], str]) -> tuple[list[AlertEvent], list[AlertEvent]]:
    """(ends at the restart, what the next calm point then brings) where the config changed while three alerts fire."""
    shard = shard_of()
    apply(shard, FIRING)
    shard, ends = reborn(shard, change(CONFIG))
    return ends, apply(shard, CALM)


def test_an_unchanged_config_resolves_nothing_by_itself() -> None:
    ends, then = after(lambda text: text)
    assert ends == []
    uninterrupted = shard_of()
    apply(uninterrupted, FIRING)
    assert then == apply(uninterrupted, CALM)
    assert "high" in {event.rule for event in then if event.status == "resolved"}


def test_removing_a_rule_resolves_its_alerts_and_says_so() -> None:
    ends, then = after(lambda text: text[: text.index("  - name: unusual")] + text[text.index("  - name: both") :])
    assert [(e.rule, e.status, e.why) for e in ends] == [
        ("unusual", "resolved", "Resolved from critical: its rule was removed.")
    ]
    assert ends[0].labels["team"] == "shop"
    assert (ends[0].value, ends[0].source, len(ends[0].evidence.t)) == (None, None, 16)
    assert {event.rule for event in then} <= {"high", "both"}


def test_a_rule_that_no_longer_matches_a_series_ends_its_alert() -> None:
    ends, _ = after(lambda text: text.replace('"m[0-4]"', '"m2"'))
    assert [(e.rule, e.why) for e in ends] == [
        ("unusual", "Resolved from critical: its rule no longer matches this series.")
    ]


def test_a_border_that_moves_keeps_state_and_episode() -> None:
    before = shard_of()
    fired = apply(before, FIRING)
    shard, ends = reborn(before, CONFIG.replace('critical: "> 95"}', 'critical: "> 450"}'))
    assert ends == []
    then = apply(shard, [(1, T0 + 410, 440.0)])
    high = [e for e in then if e.rule == "high"]
    assert high == []  # held by its clear condition, < 90
    ids = {e.id for e in fired if e.rule == "high"}
    rest = [e for e in apply(shard, [(1, T0 + 420 + i, 61.0) for i in range(9)]) if e.rule == "high"]
    assert {e.id for e in rest} == ids
    assert [e.seq for e in rest] == list(range(rest[0].seq, rest[0].seq + len(rest)))


def test_settings_that_change_learn_again_while_the_open_alert_goes_on() -> None:
    text = CONFIG.replace(
        "detector: baseline\n    levels", "detector: baseline\n    params: {warm_up: 100}\n    levels"
    )
    assert text != CONFIG
    before = shard_of()
    fired = {e.id for e in apply(before, FIRING) if e.rule == "unusual"}
    shard, ends = reborn(before, text)
    assert ends == []
    ended = [e for e in apply(shard, [(1, T0 + 410, 500.0)]) if e.rule == "unusual"]
    assert [(e.status, e.id in fired) for e in ended] == [("resolved", True)]  # nothing is expected yet: no deviation


def test_a_rule_that_is_new_starts_fresh_beside_those_that_go_on() -> None:
    shard = shard_of()
    apply(shard, FIRING)
    text = CONFIG + "  - {name: new, match: '{}', detector: threshold, levels: {info: '> 10'}}\n"
    shard, ends = reborn(shard, text)
    assert ends == []
    then = apply(shard, [(1, T0 + 410, 500.0)])
    assert [(e.rule, e.seq, e.level) for e in then] == [("new", 0, "info")]


def test_evidence_survives() -> None:
    shard = shard_of()
    apply(shard, FIRING[:405])
    shard, _ = reborn(shard)
    event = next(e for e in map(decode_alert, map(encode_alert, apply(shard, FIRING[405:]))) if e.rule == "high")
    assert event.evidence.t == [t for _, t, _ in FIRING][405 - 15 : 406]
