"""The detection side of `tidegauge explain`: one series at one time, run again through the worker's own engine."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.commands.common import PROBLEMS, WRONG_USE, fail, load
from pipeline.commands.rendering import plain
from pipeline.commands.rerun import rerun
from pipeline.commands.saying import load_controls
from pipeline.explaining import explain_rule
from pipeline.observing import SERIES_MAX, ObservedEngine, ObservedShard
from pipeline.replay import Replay
from pipeline.sets import SetBinding
from pipeline.wording import labels_of
from schemas.alert import AlertEvent, fingerprint, rfc3339
from schemas.config import Config
from schemas.control import Control
from schemas.formats.base import LATEST_S
from schemas.formats.times import rfc3339_s
from schemas.metric import Series
from schemas.selector import METRIC_LABEL, Matcher, Selector

ID = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")


@dataclass(frozen=True)
class Asked:
    """What is to be explained: `target` is an alert's id or fingerprint, or a series. at: as a person wrote it."""

    target: str
    inputs: Sequence[str]
    at: str | None
    rule: str | None
    rows: int
    config: Path
    control: Path | None


def detection(asked: Asked) -> dict[str, Any]:
    """As `--json` prints it. Ends the command where nothing is found."""
    config = load(asked.config)
    if asked.rule is not None and asked.rule not in (names := [rule.name for rule in config.rules]):
        fail(f"explain: {asked.config} has no rule {asked.rule!r}; there are {', '.join(names)}", WRONG_USE)
    controls = load_controls("explain", asked.control) if asked.control else []
    at_s, target, rule = _moment(asked.at), asked.target, asked.rule
    if ID.fullmatch(target):
        series, event = _alert(target, asked, config, controls)
        rule, selector = event.rule, _exactly(series)
        at_s = at_s if asked.at else rfc3339_s(event.at)
        target = str(series)
    else:
        selector = _selector(target)
    engine = _run(asked, config, controls, selector, at_s)
    shard, series_number = _only(engine, selector, target)
    newest_s = shard.newest.get(series_number, math.nan)
    if math.isnan(newest_s):
        fail(f"explain: {plain(target)} has no point at or before {asked.at}; give a later --at", PROBLEMS)
    shown_s = at_s if asked.at or ID.fullmatch(asked.target) else shard.newest_t
    rules = []
    for watched in shard.watched[series_number]:
        binding = watched.binding
        if rule is not None and binding.rule.name != rule:
            continue
        one = binding.groups[watched.row] if isinstance(binding, SetBinding) else shard.series[series_number]
        mark = fingerprint(labels_of(binding.words, one))
        told = [event for event in shard.told if event.rule == binding.rule.name and event.fingerprint == mark]
        rules.append({**explain_rule(watched, told, shown_s, newest_s), "about": str(one)})
    return {
        "series": str(shard.series[series_number]),
        "at": rfc3339(shown_s),
        "newest": rfc3339(newest_s),
        "passed_over": shard.passed_over[series_number],
        "rules": rules,
        "rules_that_dont_match": [
            r.name
            for r in config.rules
            if r.name not in {w.binding.rule.name for w in shard.watched[series_number]} and rule in (None, r.name)
        ],
    }


def _run(
    asked: Asked, config: Config, controls: Sequence[Control], selector: Selector, until_s: float
) -> ObservedEngine:
    engine = ObservedEngine(
        config.rules, config.limits, len(config.inputs), selector=selector, until_s=until_s, rows=asked.rows
    )
    run = Replay(config, controls, engine)
    rerun("explain", run, asked.inputs, config)
    for shard in engine.shards:
        shard.advance(min(until_s, shard.newest_t))  # what time alone has brought by then
    return engine


def _alert(id_: str, asked: Asked, config: Config, controls: Sequence[Control]) -> tuple[Series, AlertEvent]:
    """The series of an alert (of a group: one of its members), and the event that opened it; of a fingerprint the
    newest episode."""
    engine = _run(asked, config, controls, _NOTHING, LATEST_S - 1.0)
    found_alert = _alert_in(engine, id_)
    if found_alert is None:
        fail(
            f"explain: these events and {asked.config} open no alert {id_}; was the config another one then, or does "
            "the input begin too late? Ask by series and time: tidegauge explain SERIES --at TIME INPUT",
            PROBLEMS,
        )
    return found_alert


def _alert_in(engine: ObservedEngine, id_: str) -> tuple[Series, AlertEvent] | None:
    for shard in engine.shards:
        found = [event for event in shard.told if id_ in (event.id, event.fingerprint) and event.seq == 0]
        if not found:
            continue
        event = max(found, key=lambda each: each.at)
        for binding in shard.bindings:
            if binding.rule.name != event.rule:
                continue
            for row in range(binding.rows):
                member = shard.series[int(binding.series_of[row])]
                one = binding.groups[row] if isinstance(binding, SetBinding) else member
                if fingerprint(labels_of(binding.words, one)) == event.fingerprint:
                    return member, event
    return None


_NOTHING = Selector((Matcher(METRIC_LABEL, "=", ""),))


def _exactly(series: Series) -> Selector:
    return Selector((Matcher(METRIC_LABEL, "=", series.metric), *(Matcher(n, "=", v) for n, v in series.labels)))


def _selector(text: str) -> Selector:
    try:
        return Selector.parse(text)
    except ValueError as error:
        fail(f"explain: {plain(text)}: no alert id and no series: {error}", WRONG_USE)


def _moment(at: str | None) -> float:
    """Unix seconds; without one the end of all times."""
    if at is None:
        return LATEST_S - 1.0
    try:
        return float(at)
    except ValueError:
        pass
    try:
        return rfc3339_s(at)
    except ValueError:
        fail(f"explain: --at {plain(at)!r} is no time; write 2026-11-23T18:00:00Z or Unix seconds", WRONG_USE)


def _only(engine: ObservedEngine, selector: Selector, target: str) -> tuple[ObservedShard, int]:
    """The one series that was meant: the only one, else the one that has no label beside those named."""
    found = [(shard, series) for shard in engine.shards for series in shard.watched]
    wanted = {m.name: m.value for m in selector.matchers if m.op == "=" and m.name != METRIC_LABEL}
    exact = [(shard, n) for shard, n in found if dict(shard.series[n].labels) == wanted]
    if len(found) != 1 and len(exact) == 1:
        return exact[0]
    if not found:
        fail(f"explain: no series in these events is {plain(target)}; is it spelt as the input spells it?", PROBLEMS)
    if len(found) > 1:
        names = "\n".join(f"  {plain(str(shard.series[n]))}" for shard, n in found[:SERIES_MAX])
        count = len(found) + sum(shard.too_many for shard in engine.shards)
        fail(f"explain: {plain(target)} is {count:,} series; name one:\n{names}", PROBLEMS)
    return found[0]
