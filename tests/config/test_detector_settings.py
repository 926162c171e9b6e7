"""Mistakes in the settings of the detectors there are: each is named where it stands, with what would do."""

import pytest

from detectors import LEVELS_ON, PARAMS
from schemas.config import ConfigErrors, load_config

HEAD = "rules:\n  - name: a\n    match: up\n    detector: "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "default\n    params:\n      baseline: {warm_upp: 70}\n      gap: {min_ss: 3, warm_up: x}",
            [
                '6: rules[0].params.baseline.warm_upp: unknown key; did you mean "warm_up"?',
                '7: rules[0].params.gap.min_ss: unknown key; did you mean "min_s"?',
                '7: rules[0].params.gap.warm_up: must be a whole number, got "x"',
            ],
        ),
        (
            "default\n    params:\n      gap: true\n      spread: 5",
            [
                "6: rules[0].params.gap: must be one of: keys and values, false; got true; "
                "leave it out where it shall be on",
                "7: rules[0].params.spread: must be one of: keys and values, false; got 5",
            ],
        ),
        (
            "forecast\n    params: {limit: 95}",
            ['5: rules[0].params.limit: a limit needs a direction, got 95; write "> 95"'],
        ),
        (
            "forecast\n    params: {limit: '95'}",
            ['5: rules[0].params.limit: a border needs a direction, got "95"; write "> 95"'],
        ),
        (
            "burn_rate\n    group_by: [a]\n    params: {bad: x, windows: [{long: 1h, short: 5m, brun: 3}]}",
            [
                '6: rules[0].params.windows[0].brun: unknown key; did you mean "burn"?',
                "6: rules[0].params.windows[0].burn: missing; it has no default",
            ],
        ),
        (
            "burn_rate\n    group_by: [a]\n    params: {bad: x, windows: []}",
            ["6: rules[0].params.windows: must not be empty"],
        ),
        (
            "gap\n    group_by: [a]",
            [
                "5: rules[0].group_by: gap judges each series for itself; leave it out, or use one of absent, "
                "burn_rate, multivariate, river"
            ],
        ),
    ],
)
def test_a_mistake_in_settings_is_named_where_it_stands(text: str, expected: list[str]) -> None:
    with pytest.raises(ConfigErrors) as raised:
        load_config(HEAD + text + "\n", "c.yaml", PARAMS, LEVELS_ON)
    assert str(raised.value).splitlines() == [f"c.yaml:{line}" for line in expected]
