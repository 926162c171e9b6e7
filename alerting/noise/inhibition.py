"""Inhibition, as Alertmanager means it: while a source fires, its targets with equal labels are held back.

Found by hashing the `equal` labels of the sources, so its cost grows with alerts plus rules' hits, not their product.
"""

from collections.abc import Iterable, Mapping, Sequence

from alerting.alert import Alert, Muted
from alerting.noise.matching import Index
from schemas.desk import InhibitRule

_Source = tuple[Alert, dict[str, str]]


class Inhibitor:
    """The firing alerts by the rules they are a source of.

    firing: each with its `matchable()`. What is itself silenced or inhibited is still a source; what is resolved isn't.
    """

    def __init__(self, rules: Sequence[InhibitRule], firing: Iterable[_Source]) -> None:
        self._sources: list[dict[tuple[str, ...], list[_Source]]] = [{} for _ in rules]
        self._first: dict[tuple[int, tuple[str, ...], bool], Alert | None] = {}
        by_source = Index((rule.source, (number, rule)) for number, rule in enumerate(rules))
        self._by_target = Index((rule.target, (number, rule)) for number, rule in enumerate(rules))
        for source in firing if rules else ():
            for number, rule in by_source.matching(source[1]):
                self._sources[number].setdefault(_key(rule, source[1]), []).append(source)

    def why(self, labels: Mapping[str, str]) -> Muted | None:
        """labels: `matchable()` of the alert that might be held back."""
        for number, rule in self._by_target.matching(labels):
            source = self._source(number, rule, labels)
            if source is not None:
                name = source.labels.get("alertname", source.fingerprint)
                written = f"rule {rule.name}" if rule.name else f"{rule.source} inhibits {rule.target}"
                equal = ", ".join(f"{label}={labels.get(label, '')!r}" for label in rule.equal)
                text = f"{name} ({source.level}) fires{f' with the same {equal}' if equal else ''}; {written}"
                return Muted("inhibition", source.fingerprint, text)
        return None

    def _source(self, number: int, rule: InhibitRule, labels: Mapping[str, str]) -> Alert | None:
        """The oldest that inhibits it. A target that is on the source side too isn't held back by one of its kind."""
        key = _key(rule, labels)
        found = self._sources[number].get(key)
        if not found:
            return None
        both = rule.source.matches(labels)
        place = number, key, both
        if place not in self._first:
            alerts = (alert for alert, seen in found if not (both and rule.target.matches(seen)))
            self._first[place] = min(alerts, key=lambda alert: (alert.starts_at_s, alert.fingerprint), default=None)
        return self._first[place]


def _key(rule: InhibitRule, labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple([labels.get(name, "") for name in rule.equal])
