"""From an alert, or a series and a time, to the record; and from records to what a replay makes of them."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.feedback import NotFound, rule_for, series_named, series_of, undoing
from pipeline.wording import Change, RuleWords, to_event
from schemas.alert import AlertEvent, Evidence, decode_alert, encode_alert
from schemas.control import decode_control
from schemas.metric import Series
from tests.feedback.bar import config
from tests.feedback.streams import CONFIG, T0, says

NAMES = st.sampled_from(["host", "team", "alertname", "metric", "exported_team", "exported_exported_team", "level"])
LABELS = st.dictionaries(NAMES, st.text(max_size=3), max_size=5)


def alert(series: Series, labels: dict[str, str], starts_at_s: float) -> AlertEvent:
    rule = RuleWords("r", tuple(sorted(labels.items())), (), "")
    return to_event(Change(rule, series, "bar", 1, 0, 0, starts_at_s, starts_at_s, Evidence([], [])), "because")


@given(
    LABELS,
    LABELS.map(lambda some: {k: v for k, v in some.items() if k not in ("alertname", "metric")}),
    st.floats(T0, T0 + 1),
)
def test_an_alert_tells_its_series_whatever_its_rule_added(
    own: dict[str, str], added: dict[str, str], starts_at_s: float
) -> None:
    series = Series.of("m", own)
    assert series_of(alert(series, added, starts_at_s)) == series


def test_an_alert_that_someone_changed_is_not_taken_for_another() -> None:
    event = alert(Series.of("m", {"host": "a"}), {}, T0)
    event.labels["host"] = "b"
    with pytest.raises(NotFound, match="--series and --rule"):
        series_of(event)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [('cpu{host=~"a"}', "names no one series"), ('{host="a"}', "the metric is missing"), ("cpu{", "expected")],
)
def test_a_series_is_named_in_full(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        series_named(text)


def test_a_rule_need_not_be_named_where_one_alone_watches() -> None:
    rules = config(CONFIG).rules
    series = Series.of("m", {})
    assert rule_for(series, rules[:1], None) == rule_for(series, rules, "bar") == rules[0]
    with pytest.raises(NotFound, match="2 rules watch m: name one, --rule; rules that do: bar, fixed"):
        rule_for(series, rules, None)
    with pytest.raises(NotFound, match="rule gone doesn't watch m"):
        rule_for(series, rules, "gone")


GROUP = """
rules:
  - {name: together, match: '{}', group_by: [host], detector: multivariate}
"""


def test_a_rule_of_groups_watches_no_series_by_itself() -> None:
    rules = [*config(GROUP).rules, *config(CONFIG).rules[:1]]
    series = Series.of("m", {"host": "a"})
    assert rule_for(series, rules, None).name == "bar"
    with pytest.raises(NotFound, match="rule together doesn't watch"):
        rule_for(series, rules, "together")


def test_a_group_is_named_by_its_rule_and_its_labels() -> None:
    rules = config(GROUP).rules
    assert rule_for(Series.of("together", {"host": "a"}), rules, None) == rules[0]
    for labels in ({}, {"host": "a", "rack": "r"}, {"rack": "r"}):
        with pytest.raises(NotFound, match=r"as in slow\{host="):
            rule_for(Series.of("together", labels), rules, None)


def test_a_verdict_is_taken_back_once_and_not_before_it_holds() -> None:
    noise = says("noise", T0 + 50)
    back = undoing(noise, "f" * 16, [noise], T0, "bob", "")
    assert (back.undo, back.verdict, back.holds_from_s) == (noise.id, "noise", T0 + 50)
    with pytest.raises(NotFound, match="was taken back already"):
        undoing(noise, "e" * 16, [noise, back], T0, "bob", "")
    with pytest.raises(NotFound, match="say what you mean anew"):
        undoing(back, "e" * 16, [noise, back], T0, "bob", "")


# The commands, on files ----------------------------------------------------------------------------------------------


def tidegauge(*arguments: object, exit_code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == exit_code, done.output
    return done.output


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("tidegauge.yaml").write_text(CONFIG)
    events = [
        {"metric": "m", "labels": {"host": "a"}, "timestamp": T0 + i, "value": 150.0 if i % 20 == 10 else 10.0}
        for i in range(100)
    ]
    Path("events.ndjson").write_text("".join(json.dumps(event) + "\n" for event in events))
    return tmp_path


def replayed(*more: object) -> list[AlertEvent]:
    tidegauge("replay", "events.ndjson", "-o", "alerts.ndjson", *more)
    return [decode_alert(line) for line in Path("alerts.ndjson").read_bytes().splitlines()]


def opened(events: list[AlertEvent]) -> list[float]:
    return sorted(event.evidence.t[-1] - T0 for event in events if event.seq == 0)


def test_a_verdict_in_a_file_changes_a_replay_and_its_undo_changes_it_back(folder: Path) -> None:
    first = min(replayed(), key=lambda event: event.starts_at)
    said = tidegauge(
        "feedback", "noise", first.id[:8], "--alerts", "alerts.ndjson", "-o", "control.ndjson", "--by", "ann"
    )
    assert 'noise: bar on m{host="a"}, from 2026-11-23T05:33:31.000Z on; try it' in said
    assert opened(replayed("--control", "control.ndjson")) == [10.0]
    made = decode_control(Path("control.ndjson").read_bytes())
    assert (made.alert_id, made.at, made.by) == (first.id, first.starts_at, "ann")
    undo = ("feedback", "undo", made.id[:5], "--control", "control.ndjson", "-o", "control.ndjson")
    tidegauge(*undo, "--from", "2026-11-23T05:34:20Z")
    assert opened(replayed("--control", "control.ndjson")) == [10.0, 70.0, 90.0]
    listed = tidegauge("feedback", "list", "--control", "control.ndjson")
    assert "(taken back by" in listed
    assert "undo of " in listed
    assert (
        tidegauge("feedback", "list", "--control", "control.ndjson", "--json").encode()
        == Path("control.ndjson").read_bytes()
    )
    summary = json.loads(tidegauge("replay", "events.ndjson", "--control", "control.ndjson", "--json"))
    assert summary["controls"] == {"undone": 1, "undo": 1}


def test_a_missed_fault_is_named_by_series_and_time(folder: Path) -> None:
    Path("events.ndjson").write_text(Path("events.ndjson").read_text().replace("150.0", "60.0"))
    assert replayed() == []
    missed = ("feedback", "missed", "--series", 'm{host="a"}', "--at", "2026-11-23T05:33:30Z", "-o", "control.ndjson")
    tidegauge(*missed, exit_code=1)  # two rules watch it
    tidegauge(*missed, "--rule", "bar", "--from", "2026-11-23T05:33:40Z")
    assert opened(replayed("--control", "control.ndjson")) == [30.0, 50.0, 70.0, 90.0]


NOBODY_SAID = "learns nothing from what people say"


@pytest.mark.parametrize(
    ("kind", "verdict", "reason"),
    [
        ("burn_rate", "noise", f"{NOBODY_SAID}; its objective is an agreement with people: change params.objective"),
        ("threshold", "missed", f"{NOBODY_SAID}; you wrote its borders yourself"),
        ("absent", "normal", f"{NOBODY_SAID}; only a person knows which silence matters: change params.after"),
        ("trend", "noise", f"{NOBODY_SAID}; change its settings under params"),
        ("gap", "normal", 'gap learns nothing from "normal"; it takes missed, noise'),
    ],
)
def test_what_a_worker_would_refuse_is_refused_before_it_is_sent(
    folder: Path, kind: str, verdict: str, reason: str
) -> None:
    event = msgspec.structs.replace(replayed()[0], detector=kind)
    Path("alerts.ndjson").write_bytes(encode_alert(event) + b"\n")
    Path("tidegauge.yaml").write_text("rules: [{name: other, match: '{}', detector: default}]")
    said = ("feedback", verdict, event.id, "--alerts", "alerts.ndjson", "-o", "control.ndjson")
    assert f"rule {event.rule}: {kind if kind != 'gap' else ''}" in (shown := tidegauge(*said, exit_code=1))
    assert reason in shown.replace("\n", " ")
    assert not Path("control.ndjson").exists()


def test_a_verdict_that_one_detector_of_the_rule_heeds_is_sent(folder: Path) -> None:
    """The alert's newest level may come from one that learns nothing."""
    event = msgspec.structs.replace(replayed()[0], detector="threshold")
    Path("alerts.ndjson").write_bytes(encode_alert(event) + b"\n")
    assert "noise: bar on m" in tidegauge("feedback", "noise", event.id, "--alerts", "alerts.ndjson", "-o", "c.ndjson")


def test_a_fault_that_a_rule_without_learning_missed_is_refused_by_its_name(folder: Path) -> None:
    missed = ("feedback", "missed", "--series", 'm{host="a"}', "--at", "2026-11-23T05:33:30Z", "--rule", "fixed")
    assert "rule fixed: threshold learns nothing" in tidegauge(*missed, "-o", "c.ndjson", exit_code=1)


def test_what_is_said_into_a_file_counts_from_the_time_of_what_is_judged(folder: Path) -> None:
    missed = ("feedback", "missed", "--series", 'm{host="a"}', "--at", "2026-11-23T05:33:30Z", "--rule", "bar")
    tidegauge(*missed, "-o", "c.ndjson", "-m", "a leak")
    (made,) = [decode_control(line) for line in Path("c.ndjson").read_bytes().splitlines()]
    assert made.holds_from == made.at == "2026-11-23T05:33:30.000Z"
    assert "a leak" in tidegauge("feedback", "list", "--control", "c.ndjson")


def test_who_has_no_name_says_it_without_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    first = replayed()[0]
    printed = tidegauge("feedback", "noise", first.id, "--alerts", "alerts.ndjson", "--dry-run")
    assert decode_control(printed.strip().encode()).by == ""


def test_dry_run_prints_the_record_and_writes_nothing(folder: Path) -> None:
    first = replayed()[0]
    printed = tidegauge("feedback", "noise", first.id, "--alerts", "alerts.ndjson", "-o", "x.ndjson", "--dry-run")
    assert decode_control(printed.strip().encode()).alert_id == first.id
    assert not Path("x.ndjson").exists()


@pytest.mark.parametrize(
    ("arguments", "exit_code", "sentence"),
    [
        (("noise", "nothing!"), 2, "is no id of an alert"),
        (("noise", "00ff", "--alerts", "alerts.ndjson"), 1, "no alert 00ff in alerts.ndjson"),
        (("noise", "00ff", "--alerts", "gone.ndjson"), 2, "No such file"),
        (("missed",), 2, "name either an alert's id, or a fault that had none"),
        (("missed", "00ff", "--series", "m"), 2, "name either"),
        (("missed", "--series", "m{", "--at", "2026-11-23T05:33:30Z"), 2, "--series:"),
        (("missed", "--series", "m", "--at", "yesterday"), 2, "write for example 2026-11-23T03:00:00Z"),
        (("undo", "00", "--control", "tidegauge.yaml"), 2, "tidegauge.yaml:2:"),
        (("undo", "00", "--control", "alerts.none"), 2, "No such file"),
    ],
)
def test_what_is_wrong_is_said_with_what_would_do(
    folder: Path, arguments: tuple[str, ...], exit_code: int, sentence: str
) -> None:
    replayed()
    assert sentence in tidegauge("feedback", *arguments, exit_code=exit_code)


def test_a_file_of_controls_that_are_none_stops_a_replay(folder: Path) -> None:
    assert "tidegauge.yaml:2:" in tidegauge("replay", "events.ndjson", "--control", "tidegauge.yaml", exit_code=2)


def test_help_teaches_the_three_verdicts(folder: Path) -> None:
    shown = tidegauge("feedback", "--help")
    assert all(word in shown for word in ("noise", "normal", "missed", "undo", "list", "replay"))
