"""What the loader makes of configs that are right."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import read_config
from schemas.config import Config, Limits, desk_without_route
from schemas.levels import Border, Op

Load = Callable[[str], Config]
ROOT = Path(__file__).parents[2]
CONTRACT = """
version: 1
kafka: {bootstrap: "127.0.0.1:9092", group: tidegauge}
inputs:
  - {topic: metrics, format: auto, keyed_by_series: true}
topics: {alerts: alerts, state: alerts-state, dead_letters: dead-letters}
snapshots: {store: folder, path: ./state, every: 30s}
rules:
  - name: high-cpu
    match: 'cpu_usage{host=~"web-.*"}'
    detector: threshold
    levels: {warning: "> 80", critical: "> 95"}
    clear: {warning: "< 75", critical: "< 90"}
    for: 0s
  - name: unusual
    match: '{__name__=~"shop_.*"}'
    detector: baseline
    levels: {warning: 1.0, critical: 2.0}
    labels: {team: shop}
    annotations: {runbook_url: "https://runbooks.example/shop"}
  - name: errors
    match: http_error_ratio
    levels:
      warning: {detector: baseline, at: 1.0}
      critical: {detector: threshold, at: "> 0.05"}
"""
MINIMAL = 'rules: [{name: a, match: up, detector: threshold, levels: {warning: "< 1"}}]'


def rule(text: str) -> str:
    return f"rules:\n  - name: a\n    match: up\n    {text}\n"


def test_the_contracts_example_is_read_as_it_says(load: Load) -> None:
    config = load(CONTRACT)
    high, unusual, errors = config.rules
    assert [str(r.selector) for r in config.rules] == [
        'cpu_usage{host=~"web-.*"}',
        '{__name__=~"shop_.*"}',
        "http_error_ratio",
    ]
    assert [(x.rank, x.name, x.open, x.clear) for x in high.levels] == [
        (2, "warning", Border(Op.ABOVE, 80.0), Border(Op.BELOW, 75.0)),
        (3, "critical", Border(Op.ABOVE, 95.0), Border(Op.BELOW, 90.0)),
    ]
    assert [d.borders for d in high.detectors] == [(Border(Op.ABOVE, 80.0), Border(Op.ABOVE, 95.0))]
    assert [(x.open, x.clear, x.clear_deviation) for x in unusual.levels] == [
        (Border(Op.AT_LEAST, 1.0), None, 3.0),
        (Border(Op.AT_LEAST, 2.0), None, 3.0),
    ]
    assert (unusual.labels, unusual.annotations) == (
        (("team", "shop"),),
        (("runbook_url", "https://runbooks.example/shop"),),
    )
    assert [d.kind for d in errors.detectors] == ["baseline", "threshold"]
    assert [x.detector for x in errors.levels] == [0, 1]
    assert [x.clear_deviation for x in errors.levels] == [3.0, None]


def test_everything_but_rules_has_a_default(load: Load) -> None:
    config = load(MINIMAL)
    assert config.desk == desk_without_route()
    assert (config.version, config.kafka.bootstrap, config.kafka.group) == (1, "127.0.0.1:9092", "tidegauge")
    assert [(i.topic, i.format, i.keyed_by_series) for i in config.inputs] == [("metrics", "auto", False)]
    assert config.topics.model_dump() == {
        "alerts": "alerts",
        "state": "alerts-state",
        "dead_letters": "dead-letters",
        "incidents": "incidents",
        "changes": "changes",
        "workers": "tidegauge-workers",
        "load": "tidegauge-load",
        "control": "tidegauge-control",
        "snapshots": "tidegauge-snapshots",
    }
    assert (config.snapshots.store, config.snapshots.path, config.snapshots.every_s) == ("folder", "./state", 30.0)
    assert config.limits == Limits(
        max_series=1_000_000, max_future_s=600, idle_after_s=259_200, stale_after_s=3600, tombstone_after_s=3600
    )

    assert config.rules[0].stale_after_s == 3600.0


def test_the_shipped_example_is_fine() -> None:
    config = read_config(ROOT / "examples/tidegauge.yaml")
    names = ["cpu-busy", "shop-unusual", "host-busy", "errors", "shop-silent", "disk-fills-up"]
    assert [r.name for r in config.rules] == names


def test_levels_inherit_from_the_rule_what_they_dont_say(load: Load) -> None:
    text = rule(
        "detector: baseline\n    params: {half_life_s: 60}\n    for: 1m\n    keep_firing_for: 2m\n    levels:\n"
        "      info: 1\n      warning: {at: 1.5, for: 5s, clear: 2}\n"
        "      critical: {at: 2, keep_firing_for: 0s, params: {half_life_s: 90}}"
    )
    (found,) = load(text).rules
    assert [(x.for_s, x.keep_firing_for_s, x.clear_deviation) for x in found.levels] == [
        (60.0, 120.0, 3.0),
        (5.0, 120.0, 2.0),
        (60.0, 0.0, 3.0),
    ]
    assert [(d.params.model_dump()["half_life_s"], len(d.borders)) for d in found.detectors] == [(60.0, 2), (90.0, 1)]


def test_a_scoring_detector_without_levels_warns_at_its_own_border(load: Load) -> None:
    (found,) = load(rule("detector: baseline")).rules
    assert [(x.name, x.open) for x in found.levels] == [("warning", Border(Op.AT_LEAST, 1.0))]


@pytest.mark.parametrize(
    ("open_", "clear"),
    [
        ("> 80", "<= 80"),
        ("> 80", "< 75"),
        ("< 5", ">= 5"),
        ("outside 10..90", "inside 10..90"),
        ("outside 10..90", "inside 20..80"),
        ("inside 3..4", "outside 3..4"),
        (">= 80", "inside 1..2"),
    ],
)
def test_a_clear_condition_that_never_holds_over_the_border_is_fine(load: Load, open_: str, clear: str) -> None:
    (found,) = load(rule(f'detector: threshold\n    levels: {{warning: {{at: "{open_}", clear: "{clear}"}}}}')).rules
    assert str(found.levels[0].clear) == clear


@pytest.mark.parametrize(
    "levels",
    [
        '{warning: "> 80", critical: "> 80"}',  # the same border with different `for` is of use
        '{warning: "> 80", critical: ">= 80.5"}',
        '{info: "< 5", warning: "> 80", critical: "< 3"}',
        '{warning: "outside 10..90", critical: "outside 5..95"}',
        '{warning: "> 80", critical: "outside 10..20"}',
    ],
)
def test_levels_in_order_are_fine(load: Load, levels: str) -> None:
    assert load(rule(f"detector: threshold\n    levels: {levels}"))


def test_scores_of_different_detectors_are_not_compared(load: Load) -> None:
    levels = "{warning: {detector: baseline, at: 2}, critical: {detector: river, at: 1, params: {model: x}}}"
    assert load(rule(f"levels: {levels}"))


def test_yaml_words_mean_what_they_look_like(load: Load) -> None:
    text = (
        rule("detector: baseline\n    labels: {team: no, zip: '0123', at: 12:30:45, day: 2026-11-23}")
        + "limits: {max_series: 2_000}\n"
    )
    config = load(text)
    assert config.rules[0].labels == (("at", "12:30:45"), ("day", "2026-11-23"), ("team", "no"), ("zip", "0123"))
    assert config.limits.max_series == 2000


SAME = [
    rule('detector: threshold\n    levels: {critical: "> 95", warning: "above 80"}'),
    rule(
        'levels:\n      warning: {detector: threshold, at: "> 80.0"}\n      critical: {at: "> 95", detector: threshold}'
    ),
    rule('detector: threshold\n    levels: {warning: "> 80", critical: "> 95"}\n    labels: {a: b}\n    for: 0'),
    rule('detector: threshold\n    levels: {warning: "> 80", critical: "> 95"}').replace("name: a", "name: b"),
    rule('detector: threshold\n    levels: {warning: "> 80", critical: "> 95"}').replace("up", "'{__name__=\"up\"}'"),
]
OTHER = [
    rule('detector: threshold\n    levels: {warning: "> 80", critical: "> 96"}'),
    rule('detector: threshold\n    levels: {warning: "> 80.0000001", critical: "> 95"}'),
    rule('detector: threshold\n    levels: {info: "> 80", critical: "> 95"}'),
    rule('detector: threshold\n    levels: {warning: "> 80", critical: "> 95"}\n    clear: {warning: "< 80"}'),
    rule('detector: threshold\n    levels: {warning: "> 80", critical: "> 95"}\n    for: 1s'),
    rule('detector: threshold\n    levels: {warning: "> 80", critical: "> 95"}\n    stale_after: 1s'),
    rule('detector: threshold\n    levels: {warning: "> 80", critical: "> 95"}').replace("match: up", "match: down"),
    rule("detector: baseline\n    levels: {warning: 80, critical: 95}"),
    rule("detector: baseline\n    levels: {warning: 80, critical: 95}\n    params: {half_life_s: 3}"),
]


def test_the_config_hash_tells_what_decides_and_nothing_else(load: Load) -> None:
    same = {load(text).rules[0].config_hash for text in SAME}
    other = {load(text).rules[0].config_hash for text in OTHER}
    assert len(same) == 1
    assert len(other) == len(OTHER)
    assert not same & other
    assert all(len(h) == 16 and int(h, 16) >= 0 for h in same | other)


def test_the_environment_names_the_broker_where_the_config_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "kafka:1")
    silent, speaking = tmp_path / "silent.yaml", tmp_path / "speaking.yaml"
    silent.write_text(MINIMAL)
    speaking.write_text(f'kafka: {{bootstrap: "kafka:2"}}\n{MINIMAL}')
    assert [read_config(path).kafka.bootstrap for path in (silent, speaking)] == ["kafka:1", "kafka:2"]


@pytest.mark.parametrize(
    ("written", "back_off", "budget_a_day"),
    [
        ("detector: baseline", True, 0.0),
        ("detector: baseline, back_off: false, budget: 10/day", False, 10.0),
        ("detector: baseline, back_off: true, budget: 2 / hour", True, 48.0),
        ("detector: baseline, budget: 3.5/week", True, 0.5),
        ("detector: threshold, levels: {info: '> 1'}", False, 0.0),
        ("detector: threshold, levels: {info: '> 1'}, back_off: false", False, 0.0),
        ("levels: {info: {detector: threshold, at: '> 1'}, critical: {detector: baseline, at: 1}}", True, 0.0),
    ],
)
def test_openings_by_score_back_off_unless_told_otherwise(
    load: Load, written: str, back_off: bool, budget_a_day: float
) -> None:
    (made,) = load(f"rules: [{{name: a, match: up, {written}}}]").rules
    assert (made.back_off, made.budget_a_day) == (back_off, budget_a_day)


def test_what_holds_openings_back_is_part_of_what_decides(load: Load) -> None:
    texts = ("detector: baseline", "detector: baseline, back_off: false", "detector: baseline, budget: 1/day")
    hashes = {load(f"rules: [{{name: a, match: up, {text}}}]").rules[0].config_hash for text in texts}
    assert len(hashes) == 3
