"""A rule of three lines. `python tests/config/test_presets.py` renews the table in docs/detectors.md."""

from pathlib import Path

import pytest
import yaml

from detectors import KINDS, LEVELS_ON, PARAMS, make
from schemas.config import ConfigErrors, Rule, load_config
from schemas.config.presets import PRESETS
from schemas.levels import Border

PAGE = Path(__file__).parents[2] / "docs/detectors.md"
BEGIN, END = "<!-- presets: begin -->", "<!-- presets: end -->"


def with_table(page: str) -> str:
    """The page with its table of presets renewed."""
    head, rest = page.split(BEGIN)
    rows = ["| preset | brings | because |", "|---|---|---|"]
    for name, preset in PRESETS.items():
        brings = yaml.safe_dump(dict(preset.keys), default_flow_style=True, sort_keys=False, width=10_000).strip()[1:-1]
        rows.append(f"| `{name}` | `{brings}` | {preset.why} |")
    return f"{head}{BEGIN}\n{chr(10).join(rows)}\n{END}{rest.split(END)[1]}"


def rule(text: str) -> Rule:
    (found,) = load_config(f"rules:\n  - {{name: a, match: up, {text}}}\n", "t.yaml", PARAMS, LEVELS_ON).rules
    return found


def errors(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as found:
        rule(text)
    return [str(error).removeprefix("t.yaml:") for error in found.value.errors]


def test_a_clear_of_the_rule_stands_over_the_presets() -> None:
    found = rule("preset: cpu, clear: {critical: '< 85'}")
    assert [str(level.clear) for level in found.levels if level.name == "critical"] == ["< 85"]


def test_the_table_on_the_page_is_the_table() -> None:
    page = PAGE.read_text()
    assert page == with_table(page), "run: python tests/config/test_presets.py"


@pytest.mark.parametrize("name", PRESETS)
def test_a_rule_of_three_lines_is_a_rule(name: str) -> None:
    found = rule(f"preset: {name}")
    assert [level.name for level in found.levels] == ["warning", "critical"]
    assert found.levels[0].rank < found.levels[1].rank
    for spec in found.detectors:
        assert make(spec.kind, spec.params, spec.borders).kind == spec.kind
    # What a person would write by hand is the same rule.
    by_hand = yaml.safe_dump(dict(PRESETS[name].keys), default_flow_style=True, width=10_000).strip()[1:-1]
    assert rule(by_hand).config_hash == found.config_hash


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_uses_detectors_that_there_are(name: str) -> None:
    assert PRESETS[name].keys["detector"] in KINDS
    assert PRESETS[name].why.endswith(".")
    assert "baseline" in KINDS


def test_what_the_rule_writes_stands_over_the_preset() -> None:
    plain, found = rule("preset: disk"), rule('preset: disk, params: {limit: "> 0.8"}, for: 1h')
    assert [level.for_s for level in plain.levels] == [0.0, 0.0]
    assert [level.for_s for level in found.levels] == [3600.0, 3600.0]
    wanted = plain.detectors[0].params.model_copy(update={"limit": "> 0.8"})
    assert found.detectors[0].params == wanted, "the horizon is still the preset's"


def test_levels_are_replaced_one_by_one() -> None:
    found = rule('preset: cpu, levels: {critical: {detector: threshold, at: "> 99"}, info: 0.5}')
    assert [level.name for level in found.levels] == ["info", "warning", "critical"]
    assert found.levels[1].open == Border.parse(">= 1")
    assert found.levels[2].open == Border.parse("> 99")
    assert found.levels[2].clear is None, "nothing of the preset's critical is left"
    assert found.levels[2].for_s == 300.0


def test_another_detector_takes_the_timers_only() -> None:
    found = rule('preset: cpu, detector: threshold, levels: {warning: "> 80"}')
    assert [(d.kind, d.borders) for d in found.detectors] == [("threshold", (Border.parse("> 80"),))]
    assert [level.for_s for level in found.levels] == [300.0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("preset: dsik", '2: rules[0].preset: no preset "dsik"; did you mean "disk"?'),
        ("preset: zzz", f'2: rules[0].preset: no preset "zzz"; known here: {", ".join(sorted(PRESETS))}'),
        ("preset: 3", '2: rules[0].preset: must be a text, got 3; put it in quotes: "3"'),
        ("preset: disk, params: {limti: 3}", '2: rules[0].params.limti: unknown key; did you mean "limit"?'),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_what_was_meant(text: str, says: str) -> None:
    assert errors(text) == [says]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))


def test_a_level_of_silence_that_can_not_come_is_refused() -> None:
    (found,) = errors("detector: absent, params: {after: 2d}, levels: {warning: 1.0, critical: 2.0}")
    assert "critical: would open after 4 d" in found
    assert "idle_after" in found
