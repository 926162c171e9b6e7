"""Which receivers an alert belongs to, and with which others it is told: Alertmanager's routing tree and its groups.

Labels here are what matchers see (`Alert.matchable()`).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from alerting.alert import Alert, GroupKind
from schemas.desk import Route
from schemas.promql_text import quoted

# Go's %q has short names for these; Prometheus' own texts don't.
_GO_ESCAPES = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\r": r"\r", "\t": r"\t", "\v": r"\v"}


@dataclass(frozen=True)
class Place:
    """A group an alert belongs to. `id` is `Group.id`, `key` is `Group.key`, `labels` is `Group.labels`."""

    route: Route
    kind: GroupKind
    id: str
    key: str
    labels: dict[str, str]


def routes_for(root: Route, labels: Mapping[str, str]) -> list[Route]:
    """The deepest routes that match, in the order of the tree; a branch without `continue` ends the search beside it.

    Where no child matches it is the route itself. Empty only where `root` has matchers of its own that don't match.
    """
    if not root.matchers.matches(labels):
        return []
    found: list[Route] = []
    for child in root.routes:
        below = routes_for(child, labels)
        found += below
        if below and not child.continues:
            break
    return found or [root]


def places(root: Route, alert: Alert) -> list[Place]:
    """Every group the alert belongs to now, each once, though several routes may lead to it.

    Where a route groups by every label, `level` and the `severity` made of it stay out: a change of level would end
    one group and start another.
    """
    seen = alert.matchable()
    found: dict[str, Place] = {}
    for route in routes_for(root, seen):
        labels = group_labels(route, seen if route.group_by is not None else alert.labels)
        kind: GroupKind = "group" if route.digest_s is None else "digest"
        id_ = group_id(kind, route.receiver, route.key, labels)
        found.setdefault(id_, Place(route, kind, id_, group_key(route, labels), labels))
    return list(found.values())


def group_labels(route: Route, labels: Mapping[str, str]) -> dict[str, str]:
    """Those of the labels the route groups by; one that the alert lacks is left out.

    >>> from schemas.matchers import Matchers
    >>> by_team = Route("{}", "0", "ops", Matchers(), ("team",), 30, 300, 14400)
    >>> group_labels(by_team, {"team": "db", "host": "a"}), group_labels(by_team, {"host": "a"})
    ({'team': 'db'}, {})
    """
    names = sorted(labels) if route.group_by is None else route.group_by
    return {name: labels[name] for name in names if name in labels}


def group_key(route: Route, labels: Mapping[str, str]) -> str:
    r"""Alertmanager's `groupKey`, for the `group_labels` of a route; its PagerDuty and Opsgenie incidents hang on it.

    >>> from schemas.matchers import Matchers
    >>> route = Route('{}/{a="b"}', "0.0", "ops", Matchers(), ("c", "d"), 30, 300, 14400)
    >>> print(group_key(route, {"d": "1\t2", "c": "x"}))
    {}/{a="b"}:{c="x", d="1\t2"}
    """
    return f"{route.key}:{{{', '.join(f'{name}={_go_quoted(labels[name])}' for name in sorted(labels))}}}"


def group_id(kind: GroupKind, receiver: str, route_key: str, labels: Mapping[str, str]) -> str:
    """32 hex, the same on every desk and after every restart."""
    written = json.dumps([kind, receiver, route_key, sorted(labels.items())])
    return hashlib.blake2b(written.encode(), digest_size=16).hexdigest()


def _go_quoted(text: str) -> str:
    return '"' + "".join(_GO_ESCAPES.get(c) or quoted(c)[1:-1] for c in text) + '"'
