"""Values of Go's templates: structs, string maps and lists, and how Go prints them.

Only what a class here lists can be reached from a text: no attribute of a Python object ever is.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass


class Missing(ValueError):
    """There is no such field; says which there are."""


class GoObject(ABC):
    """Something with fields and methods of Go's names. A method is a field whose value is callable."""

    kind = "a struct"

    @property
    def is_true(self) -> bool:
        """What `if` sees: a struct is true, an empty list is not."""
        return True

    @abstractmethod
    def member(self, name: str) -> object:
        """Raises Missing."""

    @abstractmethod
    def go_text(self) -> str:
        """As Go prints it."""


class Struct(GoObject):
    """Fields by name; always true. Fields whose value is a `Lazy` are made when first asked for."""

    def __init__(self, kind: str, fields: Mapping[str, object]) -> None:
        self.kind, self._fields = kind, dict(fields)

    def member(self, name: str) -> object:
        if name not in self._fields:
            raise Missing(f"{self.kind} has no field {name}; it has {', '.join(self._fields)}")
        value = self._fields[name]
        if isinstance(value, Lazy):
            value = self._fields[name] = value.make()
        return value

    def go_text(self) -> str:
        return "{" + " ".join(go_text(self.member(name)) for name in self._fields if name[0].isupper()) + "}"


@dataclass(frozen=True)
class Lazy:
    """A field that costs something to make."""

    make: Callable[[], object]


class KV(GoObject, Mapping[str, str]):
    """Labels or annotations. A name that is missing is the empty text, as Go's maps of strings have it."""

    kind = "labels"

    @property
    def is_true(self) -> bool:
        return bool(self.values_by_name)

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values_by_name = values

    def member(self, name: str) -> object:
        methods: dict[str, Callable[..., object]] = {
            "SortedPairs": self.pairs,
            "Names": lambda: self.pairs().names(),
            "Values": lambda: self.pairs().texts(),
            "Remove": self.without,
        }
        return methods.get(name) or self.values_by_name.get(name, "")

    def pairs(self) -> "Pairs":
        names = sorted(self.values_by_name, key=lambda name: (name != "alertname", name))
        return Pairs([Pair(name, self.values_by_name[name]) for name in names])

    def without(self, names: object) -> "KV":
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError('Remove takes a list of names, such as .GroupLabels.Names or (stringSlice "a" "b")')
        return KV({name: value for name, value in self.values_by_name.items() if name not in names})

    def go_text(self) -> str:
        return self.pairs().go_text()

    def __getitem__(self, name: str) -> str:
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.values_by_name))

    def __len__(self) -> int:
        return len(self.values_by_name)


@dataclass(frozen=True)
class Pair(GoObject):
    """A label's name and value."""

    name: str
    value: str

    def member(self, name: str) -> object:
        fields = {"Name": self.name, "Value": self.value, "name": self.name, "value": self.value}
        if name not in fields:
            raise Missing(f"a pair has no field {name}; it has Name and Value")
        return fields[name]

    def go_text(self) -> str:
        return "{" + f"{self.name} {self.value}" + "}"


class Listing(GoObject):
    """A list with methods of its own, such as `.Alerts.Firing`."""

    kind = "a list"

    @property
    def is_true(self) -> bool:
        return bool(self._items)

    def __init__(self, items: Sequence[object], methods: Mapping[str, Callable[[], object]]) -> None:
        self._items, self._methods = items, methods

    def member(self, name: str) -> object:
        if name not in self._methods:
            raise Missing(f"a list has no field {name}; it has {', '.join(self._methods) or 'none'}")
        return self._methods[name]

    def go_text(self) -> str:
        return "[" + " ".join(go_text(item) for item in self._items) + "]"

    def __iter__(self) -> Iterator[object]:
        return iter(self._items)

    def __getitem__(self, position: int) -> object:
        return self._items[position]

    def __len__(self) -> int:
        return len(self._items)


class Pairs(Listing):
    """Names and values, `alertname` first and then by name."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        super().__init__(pairs, {"Names": self.names, "Values": self.texts})
        self._pairs = pairs

    def names(self) -> list[str]:
        return [pair.name for pair in self._pairs]

    def texts(self) -> list[str]:
        return [pair.value for pair in self._pairs]

    def go_text(self) -> str:
        return ", ".join(f"{pair.name}={pair.value}" for pair in self._pairs)


def truth(value: object) -> bool:
    """Go's: the zero value, and what is empty, are false."""
    return value.is_true if isinstance(value, GoObject) else bool(value)


def go_text(value: object) -> str:
    """As Go's `fmt.Print` writes it.

    >>> [go_text(v) for v in ("a", True, 3, 0.1, 1e21, 2.0, None, ["a", "b"])]
    ['a', 'true', '3', '0.1', '1e+21', '2', '<nil>', '[a b]']
    """
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, GoObject):
        return value.go_text()
    if isinstance(value, list):
        return "[" + " ".join(go_text(item) for item in value) + "]"
    return str(value)


def _float_text(value: float) -> str:
    if not math.isfinite(value):
        return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")
    if value and not 1e-4 <= abs(value) < 1e21:
        mantissa, exponent = f"{value!r}e0".split("e")[:2] if "e" in repr(value) else f"{value:.16e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent):+03d}"
    return f"{value:.0f}" if value == int(value) else repr(value)


def go_type(value: object) -> str:
    """Its type in words, for a message."""
    if isinstance(value, GoObject):
        return value.kind
    return next((words for types, words in _TYPES if isinstance(value, types)), type(value).__name__)


_TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, "a text"),
    (bool, "true or false"),
    ((int, float), "a number"),
    (list, "a list"),
    (type(None), "nothing"),
)
