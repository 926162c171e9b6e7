"""Draws each detector on real data, for docs/detectors.md: `python -m benchmarks.quality.pictures --data DIR`.

One SVG a kind in docs/pictures/: the values (of a group its one number), what was expected and its bounds where the
detector has them, and where alerts open. The series are from the Numenta Anomaly Benchmark and ASD (both MIT), so that
the pictures may be shipped.
"""

import argparse
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.common import ROOT, SetupError, console
from benchmarks.quality import data
from benchmarks.quality.multivariate import faults
from benchmarks.quality.scores import of_kind
from detectors import GROUP_KINDS, KINDS
from detectors.base import Floats, Records, Rows
from pipeline.scoring import score_group, score_series
from schemas.alert import AlertEvent
from schemas.formats.times import rfc3339_s

FOLDER = ROOT / "docs" / "pictures"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 240, 60, 10, 34, 24
POINTS = 430  # columns that the values are drawn in: the least and largest of each
BAND_POINTS = 300
GAP_PERIODS = 5.0  # a longer one is left white
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#57606a}.t{font-weight:600}.v{fill:none;stroke:#0969da}"
    ".b{fill:#8c959f;opacity:.25}.e{fill:none;stroke:#8c959f;stroke-dasharray:4 3}.a{fill:#cf222e}"
    ".w{fill:#cf222e;opacity:.1}.g{stroke:#8c959f;opacity:.4}"
    ".l{stroke:#bc4c00;stroke-dasharray:2 3}.p{stroke:#cf222e;stroke-width:1.5}"
    "@media(prefers-color-scheme:dark){text{fill:#9198a1}.v{stroke:#4493f8}.a,.w{fill:#f85149}}"
)


@dataclass(frozen=True)
class Scene:
    """What is shown of a kind. first, last: rows; params and levels as in a config."""

    series: str
    first: int
    last: int
    params: str = "{}"
    levels: str = "{warning: 1.0}"


@dataclass(frozen=True)
class Members:
    """A group, its rows at one time. x: rows x members; windows: first and last time of each labelled one."""

    names: tuple[str, ...]
    t: Floats
    x: Floats
    windows: list[tuple[float, float]]


BUDGET = "{bad: slow, objective: 99, min_events: 50, windows: [{long: 6h, short: 30m, burn: 5}]}"
SLOW_MS = 50.0  # a row that takes longer is a failed one of `burn_rate`
ASD_STEP_S, ASD_START_S = 300.0, 1.7e9  # its files have no times
_AWS, _CAUSE, _TRAFFIC = "realAWSCloudwatch__", "realKnownCause__", "realTraffic__"
_MACHINE = f"{_CAUSE}machine_temperature_system_failure"
SCENES: dict[str, Scene] = {
    "threshold": Scene(f"{_AWS}rds_cpu_utilization_cc0c53", 2400, 4032, levels='{warning: "> 20"}'),
    "default": Scene(f"{_CAUSE}nyc_taxi", 8300, 9300),
    "baseline": Scene(f"{_AWS}ec2_cpu_utilization_5f5533", 2600, 3200),
    "flatline": Scene("realTweets__Twitter_volume_AMZN", 3350, 3700),
    "spread": Scene(_MACHINE, 19000, 20000),
    "gap": Scene(f"{_TRAFFIC}speed_t4013", 650, 860),
    "ramp": Scene(f"{_TRAFFIC}TravelTime_387", 1400, 1650),
    "rate_of_change": Scene(_MACHINE, 19300, 19900, "{limit: 50, unit: percent, over: 1h}"),
    "range": Scene("realAdExchange__exchange-4_cpm_results", 100, 1643),
    "trend": Scene(f"{_AWS}ec2_cpu_utilization_5f5533", 900, 2200),
    "forecast": Scene(_MACHINE, 19100, 19600, '{limit: "< 50"}'),
    "changepoint": Scene(f"{_AWS}rds_cpu_utilization_cc0c53", 2900, 4032),
    "drift": Scene(f"{_CAUSE}cpu_utilization_asg_misconfiguration", 15500, 18050),
    "river": Scene(f"{_AWS}ec2_cpu_utilization_825cc2", 1200, 2000, "{model: GaussianScorer}"),
    "absent": Scene(f"{_TRAFFIC}speed_t4013", 650, 860, "{after: 1h}"),
    "multivariate": Scene("omi-4", 9000, 12300),
    "burn_rate": Scene(f"{_CAUSE}ec2_request_latency_system_failure", 0, 4032, BUDGET),
}
"""By kind."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.pictures", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--only", nargs="*", default=list(SCENES), choices=list(SCENES), help="kinds (else all)")
    parser.add_argument("--data", type=Path, help=f"folder of labelled series (else {data.VARIABLE}): docs/quality.md")
    chosen = parser.parse_args()
    try:
        folder = data.folder(chosen.data)
        series = {each.name: each for each in data.nab(folder)}
        drawn = {kind: _drawn(kind, SCENES[kind], series, folder) for kind in chosen.only}
    except SetupError as error:
        console.print(str(error))
        return 1
    FOLDER.mkdir(exist_ok=True)
    for kind, text in drawn.items():
        (FOLDER / f"{kind}.svg").write_text(text, encoding="utf-8")
        console.print(f"docs/pictures/{kind}.svg: {len(text) / 1000:.0f} kB")
    if left_out := sorted((KINDS.keys() | GROUP_KINDS.keys()) - SCENES.keys()):
        console.print(f"without a picture: {', '.join(left_out)}")
    return 0


def _drawn(kind: str, scene: Scene, series: dict[str, data.NabSeries], folder: Path) -> str:
    if kind == "multivariate":
        return group_picture(kind, scene, _asd(folder / "multivariate" / f"{scene.series}.npz"), "a server, ASD")
    if kind == "burn_rate":
        one = series[scene.series]
        members = Members(("slow",), one.t, (one.x > SLOW_MS).astype(np.float64)[:, None], _times(one))
        return group_picture(kind, scene, members, f"{one.name.partition('__')[2][:19]} over {SLOW_MS:g} ms (NAB)")
    return picture(kind, scene, series[scene.series])


def _times(series: data.NabSeries) -> list[tuple[float, float]]:
    return [(float(series.t[first]), float(series.t[last])) for first, last in series.windows]


def _asd(path: Path) -> Members:
    """Train, then test, whose rows are labelled. Raises SetupError."""
    if not path.is_file():
        raise SetupError(f"{path} is missing; docs/quality.md says where to get it")
    held = np.load(path)
    x = np.concatenate([held["train"], held["test"]]).astype(np.float64)
    t = ASD_START_S + ASD_STEP_S * np.arange(len(x), dtype=np.float64)
    first = len(x) - len(held["test"])
    spans = [(float(t[first + a]), float(t[first + b])) for a, b in faults(held["label"].astype(np.int64).ravel())]
    return Members(tuple(f"m{j}" for j in range(x.shape[1])), t, x, spans)


def group_picture(kind: str, scene: Scene, members: Members, what: str) -> str:
    """The group's one number, its usual and its border."""
    judged = of_kind(kind, scene.params, scene.levels, grouped=True)
    values, verdicts = score_group(judged.rules, members.names, members.t, members.x, judged.limits.idle_after_s)
    rows = np.arange(len(values))[scene.first : scene.last]
    rows = rows[np.isfinite(values[rows])]
    drawing = Drawing(members.t[rows], values[rows], verdicts[rows])
    drawing.labelled(members.windows)
    drawing.band()
    drawing.values()
    drawing.alerts(np.flatnonzero(judged.openings_of_group(members.names, members.t, members.x)[rows]))
    return drawing.svg(f"{kind}: {what}")


def picture(kind: str, scene: Scene, series: data.NabSeries) -> str:
    """The whole SVG. The detector has seen the series from its first row on."""
    judged = of_kind(kind, scene.params, scene.levels)
    verdicts = score_series(judged.rules, series.t, series.x, judged.limits.idle_after_s)
    opened = judged.openings(series.t, series.x) > 0.0
    rows = slice(scene.first, scene.last)
    title = f"{kind}: {series.name.partition('__')[2]} (NAB)"
    drawing = Drawing(series.t[rows], series.x[rows], verdicts[rows])
    drawing.labelled(_times(series))
    drawing.band()
    drawing.values()
    if kind == "forecast":
        params = judged.rules[0].detectors[0].params.model_dump()
        limit = float(params["limit"].strip("<>= "))
        drawing.projected(np.flatnonzero(opened[rows]), limit, float(params["horizon"]))
    if kind == "absent":
        drawing.silences(judged.events(series.t, series.x))
    else:
        drawing.alerts(np.flatnonzero(opened[rows]))
    return drawing.svg(title)


class Drawing:
    """A chart of one series over time, made of SVG's simplest shapes."""

    def __init__(self, t: Floats, x: Floats, verdicts: Records) -> None:
        self._t, self._x, self._verdicts = t, x, verdicts
        self._low, self._high = _range(x, verdicts)
        self._parts: list[str] = []
        gaps = np.diff(t, prepend=t[0]) > GAP_PERIODS * np.median(np.diff(t))
        self._stretches = np.split(np.arange(len(t)), np.flatnonzero(gaps))
        self._banded = False

    def labelled(self, windows: list[tuple[float, float]]) -> None:
        """First and last time of each window."""
        for first, last in windows:
            if last > self._t[0] and first < self._t[-1]:
                left, right = self._px(max(first, self._t[0])), self._px(min(last, self._t[-1]))
                size = f'width="{right - left:.1f}" height="{HEIGHT - TOP - BOTTOM}"'
                self._parts.append(f'<rect class="w" x="{left:.1f}" y="{TOP}" {size}/>')

    def band(self) -> None:
        """Lower to upper, and what was expected, where the detector says so."""
        for stretch in self._stretches:
            columns = stretch[:: max(len(self._t) // BAND_POINTS, 1)]
            lower, upper = self._verdicts["lower"][columns], self._verdicts["upper"][columns]
            known = np.isfinite(lower) | np.isfinite(upper)
            rows = columns[known]
            if len(rows) > 1:
                low = np.nan_to_num(lower[known], nan=self._low, neginf=self._low)
                high = np.nan_to_num(upper[known], nan=self._high, posinf=self._high)
                edge = [*self._points(rows, high), *reversed(self._points(rows, low))]
                self._parts.append(f'<path class="b" d="M{"L".join(edge)}Z"/>')
                self._banded = True
            rows = columns[np.isfinite(self._verdicts["expected"][columns])]
            if len(rows) > 1:
                self._path("e", self._points(rows, self._verdicts["expected"][rows]))
                self._banded = True

    def values(self) -> None:
        """The least and the largest of each column."""
        for stretch in self._stretches:
            rows: list[int] = []
            for some in np.array_split(stretch, max(len(stretch) * POINTS // len(self._t), 1)):
                if len(finite := some[np.isfinite(self._x[some])]):
                    ends = {int(finite[np.argmin(self._x[finite])]), int(finite[np.argmax(self._x[finite])])}
                    rows += sorted(ends)
            self._path("v", self._points(np.array(rows), self._x[rows]))

    def projected(self, rows: Rows, limit: float, horizon_s: float) -> None:
        """The limit, and the line to it from each alert: the score is the horizon over the time that is left."""
        self._path("l", [f"{LEFT} {self._py(limit):.1f}", f"{WIDTH - RIGHT} {self._py(limit):.1f}"])
        for row in rows:
            reached = self._t[row] + horizon_s / self._verdicts["score"][row]
            share = min(1.0, (self._t[-1] - self._t[row]) / (reached - self._t[row]))
            end = self._x[row] + share * (limit - self._x[row])
            at = self._t[row] + share * (reached - self._t[row])
            start = f"{self._px(self._t[row]):.1f} {self._py(self._x[row]):.1f}"
            self._path("p", [start, f"{self._px(at):.1f} {self._py(end):.1f}"])

    def silences(self, events: list[AlertEvent]) -> None:
        """From where each alert opens, within the silence, to where data is back; as high as the value before."""
        starts = {event.id: rfc3339_s(event.starts_at) for event in events}
        for event in events:
            start_s, end_s = starts[event.id], rfc3339_s(event.at)
            if event.status == "resolved" and self._t[0] <= start_s and end_s <= self._t[-1]:
                y = self._py(self._x[np.searchsorted(self._t, start_s) - 1])
                self._path("p", [f"{self._px(start_s):.1f} {y:.1f}", f"{self._px(end_s):.1f} {y:.1f}"])
                self._parts.append(f'<circle class="a" cx="{self._px(start_s):.1f}" cy="{y:.1f}" r="4"/>')

    def alerts(self, rows: Rows) -> None:
        for point in self._points(rows, self._x[rows]):
            x, y = point.split()
            self._parts.append(f'<circle class="a" cx="{x}" cy="{y}" r="4"/>')

    def svg(self, title: str) -> str:
        frame = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
            f"<style>{STYLE}</style>",
            f'<text class="t" x="{LEFT}" y="18">{title}</text>',
        ]
        key = "red: an alert opens; shaded: labelled" + ("; grey: expected and its bounds" if self._banded else "")
        frame.append(f'<text x="{WIDTH - RIGHT}" y="18" text-anchor="end">{key}</text>')
        for value in np.linspace(self._low, self._high, 3):
            y = self._py(value)
            frame.append(f'<path class="g" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
            frame.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.4g}</text>')
        for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
            moment = float(self._t[0] + share * (self._t[-1] - self._t[0]))
            told = f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"
            frame.append(f'<text x="{self._px(moment):.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{told}</text>')
        return "\n".join([*frame, *self._parts, "</svg>\n"])

    def _points(self, rows: Rows, y: Floats) -> list[str]:
        return [f"{self._px(self._t[row]):.1f} {self._py(value):.1f}" for row, value in zip(rows, y, strict=True)]

    def _path(self, name: str, points: list[str]) -> None:
        if points:
            self._parts.append(f'<path class="{name}" d="M{"L".join(points)}"/>')

    def _px(self, t: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * float(t - self._t[0]) / float(self._t[-1] - self._t[0])

    def _py(self, value: float) -> float:
        share = (min(max(float(value), self._low), self._high) - self._low) / (self._high - self._low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _range(x: Floats, verdicts: Records) -> tuple[float, float]:
    """Of the values, and of most of the band: a bound far away is cut."""
    ends = [float(np.nanmin(x)), float(np.nanmax(x))]
    spare = ends[1] - ends[0] or 1.0
    for name, share in (("lower", 5.0), ("upper", 95.0)):
        known = verdicts[name][np.isfinite(verdicts[name])]
        if len(known):
            ends.append(float(np.clip(np.percentile(known, share), ends[0] - spare / 4, ends[1] + spare / 4)))
    return min(ends) - 0.02 * spare, max(ends) + 0.02 * spare


if __name__ == "__main__":
    sys.exit(main())
