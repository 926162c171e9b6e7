"""Many matchers against many label sets: those that can't match are not tried.

Most matchers ask one label to be one text; these are found by that text.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from schemas.matchers import Matchers

T = TypeVar("T")


class Index(Generic[T]):
    """Values under their matchers.

    >>> index = Index([(Matchers.parse('team="db"'), "x"), (Matchers.parse('env=~"p.*"'), "y")])
    >>> list(index.matching({"team": "db", "env": "prod"})), list(index.matching({"team": "web"}))
    (['x', 'y'], [])
    """

    def __init__(self, items: Iterable[tuple[Matchers, T]]) -> None:
        self._by_text: dict[str, dict[str, list[tuple[int, Matchers, T]]]] = {}
        self._others: list[tuple[int, Matchers, T]] = []
        for order, (matchers, value) in enumerate(items):
            equal = next((m for m in matchers.matchers if m.op == "=" and m.value), None)
            if equal is None:
                self._others.append((order, matchers, value))
            else:
                texts = self._by_text.setdefault(equal.name, {})
                texts.setdefault(equal.value, []).append((order, matchers, value))

    def matching(self, labels: Mapping[str, str]) -> Iterator[T]:
        """Those whose matchers match, in the order they were given."""
        candidates = self._others
        for name, texts in self._by_text.items():
            found = texts.get(labels.get(name, ""))
            if found:
                candidates = candidates + found
        if len(candidates) > 1 and candidates is not self._others:
            candidates.sort(key=_order)
        return (value for _, matchers, value in candidates if matchers.matches(labels))


def _order(item: tuple[int, Matchers, T]) -> int:
    return item[0]
