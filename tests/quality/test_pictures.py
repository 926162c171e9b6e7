"""A picture of a detector: small, well-formed, with its alerts; for `forecast` the line to the limit."""

import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.quality.data import NabSeries
from benchmarks.quality.pictures import (
    FOLDER,
    LEFT,
    RIGHT,
    SCENES,
    WIDTH,
    Drawing,
    Members,
    Scene,
    group_picture,
    picture,
)
from detectors import KINDS
from detectors.base import VERDICT


def paths(text: str) -> list[tuple[str, str]]:
    """Class and points of each."""
    return re.findall(r'<path class="(\w)" d="([^"]*)"/>', text)


def noise_with_a_spike() -> NabSeries:
    x = np.random.default_rng(1).normal(100.0, 2.0, 3000)
    x[2500] += 100.0
    t = 1.4e9 + 300.0 * np.arange(3000, dtype=np.float64)
    t[2700:] += 86_400.0
    return NabSeries("real__made", t, x, [(2490, 2520)])


@pytest.mark.parametrize("kind", sorted(SCENES.keys() & KINDS.keys()))
def test_every_kind_with_a_scene_can_be_drawn(kind: str) -> None:
    text = picture(kind, replace(SCENES[kind], first=2000, last=2999), noise_with_a_spike())
    assert text.count("<rect") == 1
    assert text.endswith("</svg>\n")
    assert 2_000 < len(text) < 50_000


def test_the_alert_is_marked_once_the_gap_is_left_white_and_the_band_is_drawn() -> None:
    text = picture("baseline", Scene("real__made", 2000, 2999), noise_with_a_spike())
    heights = [float(y) for y in re.findall(r'<circle [^>]*cy="([\d.]+)"', text)]
    assert min(heights) < 60.0  # the spike is the top of the picture
    drawn = [name for name, _ in paths(text)]
    assert drawn.count("v") == 2  # before and after the gap
    assert "b" in drawn


def test_the_projected_line_ends_at_the_limit_when_the_score_says_so() -> None:
    t, x, verdicts = np.arange(0.0, 1000.0, 10.0), np.linspace(0.0, 50.0, 100), np.zeros(100, VERDICT)
    verdicts["score"][50] = 2.0
    drawing = Drawing(t, x, verdicts)
    drawing.projected(np.array([50]), 45.0, 400.0)  # score 2: half of the horizon is left
    limit, line = (points for name, points in paths(drawing.svg("made")) if name in ("l", "p"))
    assert line.split(" ")[-1] == limit.split(" ")[-1]


def test_silence_is_drawn_from_its_deadline_to_where_data_is_back() -> None:
    text = picture("absent", Scene("real__made", 2000, 2999, "{after: 6h}"), noise_with_a_spike())
    (line,) = (points for name, points in paths(text) if name == "p")
    (start, height), (end, same) = (point.split() for point in line.removeprefix("M").split("L"))
    assert height == same
    assert f'<circle class="a" cx="{start}" cy="{height}"' in text
    hours = (float(end) - float(start)) / (WIDTH - LEFT - RIGHT) * (998 * 300.0 + 86_400.0) / 3600.0
    assert hours == pytest.approx(18.0, abs=0.2)  # a day and a row, less the 6 hours


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("multivariate", "{}"),
        ("burn_rate", "{bad: m0, windows: [{long: 6h, short: 30m, burn: 2}], objective: 90, min_events: 50}"),
    ],
)
def test_a_group_is_drawn_by_its_one_number(kind: str, params: str) -> None:
    rows = 2000
    x = np.clip(np.random.default_rng(1).normal(0.02, 0.01, (rows, 2)), 0.0, 1.0)
    x[1800:1830] = 0.9
    t = 1.4e9 + 300.0 * np.arange(rows, dtype=np.float64)
    members = Members(("m0", "m1"), t, x, [(float(t[1800]), float(t[1830]))])
    text = group_picture(kind, Scene("", 1000, rows, params), members, "made")
    assert text.count("<rect") == 1
    assert text.count("<circle") >= 1
    assert {"b", "e", "v"} <= {name for name, _ in paths(text)}


def test_shipped_pictures_are_of_scenes_and_small() -> None:
    for path in FOLDER.glob("*.svg"):
        assert path.stem in SCENES
        assert path.stat().st_size < 50_000
