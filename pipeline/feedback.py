"""From what a person says to the control record: which series of which rule an alert is of, and from when it holds."""

from collections.abc import Iterable, Iterator
from itertools import product
from math import inf, nextafter

from pydantic import BaseModel

from detectors import PARAMS, heeded
from schemas.alert import AlertEvent, alert_id, rfc3339
from schemas.config import Rule
from schemas.control import Control, Verdict
from schemas.formats.times import rfc3339_s
from schemas.metric import Series
from schemas.selector import METRIC_LABEL, Selector

LABELS_TRIED = 12
_OWN = {"alertname", "metric"}
_MOVED = "exported_"
_NEARBY = 3  # doubles within half a microsecond of a time of our days


class NotFound(LookupError):
    """No alert, or no verdict, that is meant. Its text says what would do."""


def alert_called(text: str, events: Iterable[AlertEvent]) -> AlertEvent | None:
    """The newest transition of the one alert whose id begins so, or of the newest with that fingerprint; None: there is
    none. Raises NotFound where it may be one of several."""
    found: dict[str, AlertEvent] = {}
    named: dict[str, AlertEvent] = {}
    for event in events:
        into = found if event.id.startswith(text) else named if event.fingerprint == text else None
        if into is not None and ((known := into.get(event.id)) is None or event.seq >= known.seq):
            into[event.id] = event
    if len(found) > 1:
        some = ", ".join(sorted(found)[:3])
        raise NotFound(f"{len(found):,} alerts begin with {text}: {some}; give the whole id")
    newest = sorted(named.values(), key=lambda event: rfc3339_s(event.starts_at))
    return next(iter([*found.values(), *newest[-1:]]), None)


def series_of(event: AlertEvent) -> Series:
    """The alert's series with its own labels. The alert's id, a hash over them, says which labels its rule had added.

    Raises NotFound.
    """
    named = sorted(event.labels.keys() - _OWN)
    starts_s = [rfc3339_s(event.starts_at)]
    for _ in range(_NEARBY):  # the id was made of the time before it was written in microseconds
        starts_s = [nextafter(starts_s[0], 0), *starts_s, nextafter(starts_s[-1], inf)]
    # Nearly always the rule has added few labels: those ways are tried first.
    tried = named[:LABELS_TRIED]
    for kept in sorted(product((True, False), repeat=len(tried)), key=lambda some: some.count(False)):
        added = {name for name, keep in zip(tried, kept, strict=True) if not keep}
        for own in _before_moving({name: event.labels[name] for name in named if name not in added}, _OWN | added):
            series = Series.of(event.labels.get("metric", ""), own)
            if any(alert_id(event.rule, series, start_s) == event.id for start_s in starts_s):
                return series
    raise NotFound(f"alert {event.id}: its labels don't tell which series it is of; name it with --series and --rule")


def _before_moving(labels: dict[str, str], taken: set[str]) -> Iterator[dict[str, str]]:
    """What the labels may have been called before `labels_of` moved some out of the way of `taken`.

    >>> list(_before_moving({"exported_team": "own"}, {"team"}))
    [{'team': 'own'}, {'exported_team': 'own'}]
    """
    for names in product(*(_names_before(name, taken) for name in labels)):
        before = dict(zip(names, labels.values(), strict=True))
        if len(before) == len(labels):
            yield before


def _names_before(name: str, taken: set[str]) -> list[str]:
    """The likeliest first."""
    names, bare = [name], name
    while bare.startswith(_MOVED):
        bare = bare.removeprefix(_MOVED)
        if bare in taken:
            names.insert(0, bare)
    return names


def series_named(text: str) -> Series:
    """
    >>> print(series_named('http_errors{host="a", path="/"}'))
    http_errors{host="a", path="/"}

    Raises ValueError.
    """
    labels: dict[str, str] = {}
    for matcher in Selector.parse(text).matchers:
        if matcher.op != "=" or matcher.name in labels:
            raise ValueError(f'{matcher} names no one series; write every label once, as in cpu_usage{{host="web-1"}}')
        labels[matcher.name] = matcher.value
    if not (metric := labels.pop(METRIC_LABEL, "")):
        raise ValueError('the metric is missing; write for example cpu_usage{host="web-1"}')
    return Series.of(metric, labels)


def rule_for(series: Series, rules: Iterable[Rule], name: str | None) -> Rule:
    """The rule of that name, or the only one that watches the series by itself, or as what stands for a group. Raises
    NotFound."""
    watching = [rule for rule in rules if _watches(rule, series)]
    if name is None and len(watching) == 1:
        return watching[0]
    for rule in watching:
        if rule.name == name:
            return rule
    asked = f"rule {name} doesn't watch {series}" if name else f"{len(watching)} rules watch {series}: name one, --rule"
    names = ", ".join(rule.name for rule in watching) or "none"
    raise NotFound(
        f'{asked}; rules that do: {names}; a rule with group_by is told as RULE{{its labels}}, as in slow{{host="a"}}'
    )


def _watches(rule: Rule, series: Series) -> bool:
    if rule.group_by is None:
        return rule.selector.matches(series)
    return series.metric == rule.name and {label for label, _ in series.labels} == set(rule.group_by)


INSTEAD = {
    "threshold": "you wrote its borders yourself: change them under levels",
    "rate_of_change": "you wrote its limit yourself: change params.limit",
    "forecast": "its limit is a fact, and its forecasts are judged by what came: change params.limit or params.horizon",
    "absent": "only a person knows which silence matters: change params.after",
    "burn_rate": "its objective is an agreement with people: change params.objective, .windows or .min_events",
}
"""What to do where a detector learns nothing from what people say, and why it doesn't."""


def refusal(verdict: Verdict, told: Iterable[tuple[str, BaseModel | None]]) -> str:
    """Why none of these detectors, those of one rule, learns anything from the verdict; empty: one does.

    told: kind and, where known, settings of each.

    >>> refusal("noise", [("threshold", None), ("baseline", None)]), refusal("normal", [("gap", None)])
    ('', 'gap learns nothing from "normal"; it takes missed, noise')
    """
    detectors = list(told)
    known = sorted({kind for kind, _ in detectors})
    if not all(kind in PARAMS for kind in known):
        return ""  # of a later program, that may know better
    taken = {verdict for kind, params in detectors for verdict in heeded(kind, params)}
    if verdict in taken:
        return ""
    who = " and ".join(known)
    if taken:
        return f'{who} learns nothing from "{verdict}"; it takes {", ".join(sorted(taken))}'
    why = "; ".join(INSTEAD[kind] for kind in known if kind in INSTEAD) or "change its settings under params"
    return f"{who} learns nothing from what people say; {why}"


def control_about(
    event: AlertEvent,
    verdict: Verdict,
    id_: str,
    holds_from_s: float,
    by: str,
    note: str,
    detectors: Iterable[tuple[str, BaseModel | None]] = (),
) -> Control:
    """The record that says `verdict` of the alert from `holds_from_s` (Unix seconds) on.

    detectors: of its rule, as for `refusal`; none: the alert's own. Raises NotFound where none of them learns from it,
    or its series can't be told.
    """
    if reason := refusal(verdict, tuple(detectors) or [(event.detector, None)]):
        raise NotFound(f"rule {event.rule}: {reason}")
    series = series_of(event)
    return Control(
        id=id_,
        verdict=verdict,
        rule=event.rule,
        metric=series.metric,
        labels=dict(series.labels),
        alert_id=event.id,
        at=event.starts_at,
        holds_from=rfc3339(holds_from_s),
        by=by,
        note=note,
    )


def undoing(target: Control, id_: str, known: Iterable[Control], at_s: float, by: str, note: str) -> Control:
    """The record that takes `target` back from `at_s` (Unix seconds) on, though not before it holds.

    known: what else was said. Raises NotFound.
    """
    if isinstance(target.undo, str):
        raise NotFound(f"{target.id} takes {target.undo} back; say what you mean anew instead of undoing that")
    for other in known:
        if other.undo == target.id:
            raise NotFound(f"{target.id} was taken back already, by {other.id}")
    return Control(
        id=id_,
        verdict=target.verdict,
        undo=target.id,
        rule=target.rule,
        metric=target.metric,
        labels=target.labels,
        alert_id=target.alert_id,
        at=target.at,
        holds_from=rfc3339(max(at_s, target.holds_from_s)),
        by=by,
        note=note,
    )
