"""What was expected against what fires: which alert is meant by which expectation, and where the two differ. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.alert import AlertEvent
from schemas.rule_tests import Expected

_TOLD_ANYWAY = ("alertname", "metric")  # need not stand among the expected labels


@dataclass(frozen=True)
class Difference:
    """what: `level`, `label host`, `annotation summary`. None: it isn't there."""

    what: str
    expected: str | None
    got: str | None


@dataclass(frozen=True)
class Mismatch:
    """An alert that differs from what was expected; one that was expected and isn't there (`alert` None); or one that
    nobody expected (`expected` None)."""

    expected: Expected | None
    alert: AlertEvent | None
    differences: tuple[Difference, ...] = ()


def mismatches(expected: Sequence[Expected], firing: Iterable[AlertEvent]) -> tuple[Mismatch, ...]:
    """Empty where each expectation is met by an alert of its own and no alert is left. Pairs are made so that the
    fewest differences remain."""
    from scipy.optimize import linear_sum_assignment  # takes 0.2 s to import, which only this command should pay

    alerts = sorted(firing, key=lambda event: (event.rule, sorted(event.labels.items())))
    found = [[differences(one, alert) for alert in alerts] for one in expected]
    costs = np.array([[len(each) for each in row] for row in found], np.float64).reshape(len(expected), len(alerts))
    pairs = [(int(e), int(a)) for e, a in zip(*linear_sum_assignment(costs), strict=True)]
    wrong = [Mismatch(expected[e], alerts[a], found[e][a]) for e, a in pairs if found[e][a]]
    met, used = {e for e, _ in pairs}, {a for _, a in pairs}
    wrong += [Mismatch(one, None) for e, one in enumerate(expected) if e not in met]
    wrong += [Mismatch(None, one) for a, one in enumerate(alerts) if a not in used]
    return tuple(wrong)


def differences(expected: Expected, alert: AlertEvent) -> tuple[Difference, ...]:
    found = []
    if expected.level and expected.level != alert.level:
        found.append(Difference("level", expected.level, alert.level))
    if expected.labels is not None:
        wanted = expected.labels
        got = {name: text for name, text in alert.labels.items() if name in wanted or name not in _TOLD_ANYWAY}
        found += _of_texts("label", wanted, got, wanted.keys() | got.keys())
    annotations = expected.annotations or {}
    return tuple(found + _of_texts("annotation", annotations, alert.annotations, annotations))


def _of_texts(what: str, wanted: Mapping[str, str], got: Mapping[str, str], names: Iterable[str]) -> list[Difference]:
    return [
        Difference(f"{what} {name}", wanted.get(name), got.get(name))
        for name in sorted(names)
        if wanted.get(name) != got.get(name)
    ]
