"""A survey as a commented config. Names come from strangers: in comments they stay on their line, in YAML in quotes."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.commands.rendering import plain
from pipeline.starting.kinds import KINDS, OTHERS, WHY_LEFT_OUT, Kind, LeftOut, Seen, kind_of, left_out
from pipeline.starting.survey import Survey
from schemas.alert import rfc3339
from schemas.config.values import duration_text
from schemas.duration import format_duration
from schemas.selector import METRIC_LABEL, Matcher, Selector

_REGEX_CHARS_MAX = 3_500  # a selector takes 4,096
_NAMES_SHOWN_MAX = 6
_SILENT_S, _SILENT_INTERVALS = 300.0, 10
_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")


@dataclass(frozen=True)
class Place:
    """Where the sample is from. keyed: whether each series stayed on one partition; None: not known, or only one."""

    name: str
    topic: str | None
    format: str
    bootstrap: str
    partitions: int = 1
    keyed: bool | None = None


def start_config(survey: Survey, place: Place) -> str:
    """There must be an event."""
    return "\n".join([*_head(survey, place), *_rules(survey)]) + "\n"


def _head(survey: Survey, place: Place) -> Iterator[str]:
    first_s, last_s = survey.span_s()
    seen = survey.seen()
    labels = sorted(frozenset(name for one in survey.series for name, _ in one.labels))
    yield f"# Made by `tidegauge init` from {plain(place.name)}:"
    yield f"# {survey.events:,} events of {len(survey.series):,} series of {len(seen):,} metrics,"
    yield f"# {rfc3339(first_s)} to {rfc3339(last_s)}. Labels: {_some(labels) or 'none'}."
    for reason, count in sorted(survey.rejected.items()):
        yield f"# {count:,} of its events can't be read and would be dead letters: {reason}."
    yield "# A start, to be made yours: `tidegauge check` proves it, `tidegauge replay` shows what it would have told."
    yield "version: 1"
    yield ""
    yield f"kafka: {{bootstrap: {_yaml(place.bootstrap)}}}"
    yield ""
    yield "inputs:"
    if place.topic is None:
        yield "  # The sample was a file: name the topic that your metrics are on."
    yield f"  - topic: {_yaml(place.topic or 'metrics')}"
    yield f"    format: {place.format}"
    if place.keyed:
        yield f"    # In the sample each series stayed on one of {place.partitions} partitions. Where producers"
        yield "    # promise it (the series is their key), take the # away: events need not be put in order first."
        yield "    # keyed_by_series: true"
    elif place.keyed is False:
        yield "    # Series wander between partitions here, so events are put in order first (limits.max_lateness)."
        yield "    keyed_by_series: false"
    yield ""


def _rules(survey: Survey) -> Iterator[str]:
    kinds: dict[str, list[Seen]] = {kind.name: [] for kind in (*KINDS, OTHERS)}
    skipped: dict[LeftOut, list[str]] = {}
    for seen in survey.seen():
        if why := left_out(seen):
            skipped.setdefault(why, []).append(seen.metric)
        else:
            kinds[kind_of(seen).name].append(seen)
    if kinds["cpu"] and (idle := kinds.pop("cpu-idle")):
        skipped["idle time of CPUs"] = [seen.metric for seen in idle]
    yield "rules:"
    for kind in (*KINDS, OTHERS):
        if seen_of := kinds.get(kind.name):
            yield from _rule(kind, seen_of)
    yield from _silence(survey)
    for why, metrics in skipped.items():
        yield ""
        yield f"  # Not watched, {why} ({WHY_LEFT_OUT[why]}):"
        for line in textwrap.wrap(", ".join(map(plain, metrics)), 110, break_on_hyphens=False):
            yield f"  # {line}"


def _rule(kind: Kind, seen: list[Seen]) -> Iterator[str]:
    groups = list(_groups([one.metric for one in seen]))
    yield f"  # {kind.why}"
    series, low, high = sum(one.series for one in seen), min(one.low for one in seen), max(one.high for one in seen)
    yield f"  # Seen: {series:,} series of {len(seen):,} metrics, values {low:.6g} to {high:.6g}."
    for number, group in enumerate(groups):
        yield f"  - name: {kind.name}{f'-{number + 1}' if number else ''}"
        yield f"    match: {_yaml(_selector(group))}"
        for key, value in kind.keys.items():
            yield f"    {key}: {_flow(value)}"
    yield ""


def _silence(survey: Survey) -> Iterator[str]:
    interval_s, label = survey.interval_s(), survey.host_label()
    after_s = max(_SILENT_S, _SILENT_INTERVALS * (interval_s or 0.0))
    # A whole minute: nobody needs `after: 5m1s`.
    after = duration_text(-(-after_s // 60) * 60)
    often = f"values come about every {format_duration(interval_s)}" if interval_s else "each series came once"
    yield f"  # What stops altogether; in the sample {often}."
    yield "  - name: silent"
    yield "    match: '{}'"
    yield f"    group_by: [{label}]" if label else "    group_by: []  # all together; name the label of your machines"
    yield "    detector: absent"
    yield f"    params: {{after: {after}}}"
    yield "    levels: {warning: 1.0, critical: 3.0}"


def _groups(metrics: list[str]) -> Iterator[list[str]]:
    """Parts that fit one regular expression each."""
    group: list[str] = []
    for metric in metrics:
        if group and len(_regex([*group, metric])) > _REGEX_CHARS_MAX:
            yield group
            group = []
        group.append(metric)
    if group:
        yield group


def _regex(metrics: list[str]) -> str:
    return "|".join(_SPECIAL.sub(r"\\\1", metric) for metric in metrics)


def _selector(metrics: list[str]) -> str:
    r"""
    >>> print(_selector(["cpu.user", "b"]), _selector(["up"]))
    {__name__=~"cpu\\.user|b"} up
    """
    one = len(metrics) == 1
    return str(Selector((Matcher(METRIC_LABEL, "=" if one else "=~", metrics[0] if one else _regex(metrics)),)))


def _some(names: list[str]) -> str:
    rest = len(names) - _NAMES_SHOWN_MAX
    return ", ".join(map(plain, names[:_NAMES_SHOWN_MAX])) + (f" and {rest:,} more" if rest > 0 else "")


def _yaml(text: str) -> str:
    """In single quotes, where YAML reads no escapes; `quoted` has spelt out what can't stand there.

    >>> _yaml("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value) if isinstance(value, str) and not re.fullmatch(r"[\w./]+", value) else str(value)
