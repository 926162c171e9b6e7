"""What alerts are about, and where, in few words: `errors (errors_total) on checkout, eu-1`."""

from collections.abc import Iterable, Mapping, Sequence

from alerting.alert import Alert, Told
from alerting.words.escaping import line
from schemas.levels import LEVELS

_NAME_CHARS, _VALUE_CHARS = 60, 40  # of a rule's name, and of one label's value

# Labels that say where, most telling first: their values are known by sight and stand without the name.
_PLACES = (
    "service", "app", "application", "job", "deployment", "component", "cluster", "namespace", "environment", "env",
    "region", "zone", "datacenter", "host", "hostname", "instance", "node", "pod", "container", "device", "mountpoint",
    "topic", "queue", "database", "endpoint", "path",
)  # fmt: skip
# Labels that say what or for whom, not where.
_NOT_PLACES = {"alertname", "metric", "__name__", "severity", "level", "rule", "team", "owner", "prometheus", "monitor"}
_PLACES_SHOWN, _NAMES_SHOWN = 3, 2


def name(alert: Alert) -> str:
    """The rule, by the name that people gave it."""
    return line(_raw_name(alert))


def _raw_name(alert: Alert) -> str:
    return alert.labels.get("alertname") or alert.rule or alert.labels.get("metric") or "alert"


def subject(told: Sequence[Told]) -> str:
    """What and where, of one alert or of many."""
    if not told:
        return "nothing left"
    # Cleaned last: of 10,000 alerts few names differ.
    ranks: dict[str, tuple[int, int]] = {}
    for one in told:
        raw = _raw_name(one.alert)
        rank, count = ranks.get(raw, (0, 0))
        ranks[raw] = max(rank, LEVELS.index(one.alert.level)), count + 1
    raws = sorted(ranks, key=lambda rule: (*(-number for number in ranks[rule]), rule))
    rules = list(dict.fromkeys(line(raw, _NAME_CHARS) for raw in raws))
    what = _some(rules)
    common = common_labels(told)
    metric = line(common.get("metric", ""), _NAME_CHARS)
    # "unusual" says nothing alone; "errors (errors)" says nothing twice.
    if len(rules) == 1 and metric and metric not in rules[0]:
        what += f" ({metric})"
    where = _where(common) or _differing(told, common)
    return f"{what} on {where}" if where else what


def _where(labels: Mapping[str, str]) -> str:
    shown = [line(labels[place], _VALUE_CHARS) for place in _PLACES if labels.get(place)]
    others = sorted(set(labels) - set(_PLACES) - _NOT_PLACES)
    shown += [f"{line(label, _VALUE_CHARS)}={line(labels[label], _VALUE_CHARS)}" for label in others if labels[label]]
    return ", ".join(dict.fromkeys(shown[:_PLACES_SHOWN]))


def _differing(told: Sequence[Told], common: Mapping[str, str]) -> str:
    """Where alerts have no place in common: the places themselves, by the most telling label that all of them have."""
    for place in _PLACES:
        if place in common or place not in told[0].alert.labels:
            continue
        seen = {one.alert.labels.get(place, "") for one in told}
        if "" not in seen:
            first = [line(value, _VALUE_CHARS) for value in sorted(seen)[:_NAMES_SHOWN]]
            return _some([*first, *[""] * (len(seen) - len(first))])
    return ""


def _some(names: Sequence[str]) -> str:
    """
    >>> _some(["a"]), _some(["a", "b"]), _some(["a", "b", "c", "d"])
    ('a', 'a and b', 'a, b and 2 more')
    """
    if len(names) <= _NAMES_SHOWN:
        return " and ".join(names)
    return f"{', '.join(names[:_NAMES_SHOWN])} and {len(names) - _NAMES_SHOWN} more"


def common_labels(told: Iterable[Told]) -> dict[str, str]:
    """Labels that all alerts have alike, as the alerts have them."""
    common: dict[str, str] | None = None
    for one in told:
        labels = one.alert.labels
        common = dict(labels) if common is None else {k: v for k, v in common.items() if labels.get(k) == v}
        if not common:
            break
    return common or {}
