"""Checks of a file against models: every mistake once, on its line, and what is wrong cut out so that the rest is seen.

Knows how to find and say mistakes, and nothing of what the keys mean.
"""

import copy
import json
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas.config.errors import Path, Problem, closest
from schemas.config.section import Section
from schemas.config.words import keys_at, plain_words
from schemas.config.written import Written

_S = TypeVar("_S", bound=Section)
# What must be there but isn't, so that the rest can still be checked.
_STAND_INS: dict[str, object] = {"rules": [{}], "name": "unnamed", "match": "{}", "at": "unknown"}
_CUTS_MAX = 40  # each round of cutting goes at least one step up from the deepest mistake
# Alertmanager's older conditions: without a value, a label must be empty, and a regular expression is a mistake.
_MATCH = ("match", "source_match", "target_match")
_MATCH_RE = ("match_re", "source_match_re", "target_match_re")


class Checking:
    """What was found so far. `broken(path)`: something at, under or above `path` was reported."""

    def __init__(self, written: Written) -> None:
        self.written = written
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.cut: set[Path] = set()
        self._above_cut: set[Path] = set()
        for problem in written.problems:
            self.problems.append(problem)
            self.cut_at(problem.path)

    def report(self, path: Path, message: str) -> None:
        self.problems.append(self.written.problem(path, message))
        self.cut_at(path)

    def warn(self, path: Path, message: str) -> None:
        """Right as it is, but a person should know."""
        self.warnings.append(self.written.problem(path, message))

    def cut_at(self, path: Path) -> None:
        self.cut |= {path} if path else set()
        self._above_cut.update(path[:length] for length in range(1, len(path)))

    def broken(self, path: Path) -> bool:
        return path in self._above_cut or any(path[:length] in self.cut for length in range(1, len(path) + 1))

    def drop_nothings(self, value: object, path: Path) -> None:
        """A key without a value is a mistake everywhere but in a detector's settings, where it may mean `none`."""
        if isinstance(value, list):
            for position, item in enumerate(value):
                self.drop_nothings(item, (*path, position))
        if not isinstance(value, dict) or (path[:1] == ("rules",) and path[-1] == "params"):
            return
        for key in [key for key, inner in value.items() if inner is None]:
            self.report((*path, key), "is empty; give it a value, or leave the key out")
            del value[key]
        for key, inner in value.items():
            self.drop_nothings(inner, (*path, key))

    def as_alertmanager_reads(self, value: object, path: Path) -> object:
        """Every scalar is what its key wants, so here a text; a key without a value is as if it weren't there."""
        if isinstance(value, list):
            return [self.as_alertmanager_reads(item, (*path, position)) for position, item in enumerate(value)]
        if isinstance(value, dict):
            if path and path[-1] in _MATCH_RE:
                for key in [key for key, inner in value.items() if inner is None]:
                    self.report((*path, key), "is empty; write a regular expression")
            if path and path[-1] in _MATCH:
                value = {key: "" if inner is None else inner for key, inner in value.items()}
            given = {key: inner for key, inner in value.items() if inner is not None}
            return {key: self.as_alertmanager_reads(inner, (*path, key)) for key, inner in given.items()}
        if isinstance(value, bool | int | float):
            return self.written.text(path)
        return value

    def validated(
        self, model: type[_S], data: dict[str, object], known: tuple[str, ...] = (), strict: bool = True
    ) -> _S | None:
        """`data` without all that pydantic finds wrong in it; what it finds in the whole is reported.

        known: further keys that the file knows at its top. strict: "5" is no number, and `yes` no truth value.
        """
        for attempt in range(_CUTS_MAX):
            try:
                # As JSON: strict about "5" for 5, and still takes a list where the model has a tuple.
                return model.model_validate_json(json.dumps(data), strict=strict, by_alias=True, by_name=False)
            except ValidationError as error:
                found = [e for e in error.errors() if not _is_echo(e)]
            if attempt == 0:
                self.report_found(found, model, data, (), known)
            for item in found:
                _cut_out(data, item["loc"])
        return None

    def report_found(
        self, found: list[ErrorDetails], model: type[BaseModel], data: object, at: Path, known: tuple[str, ...] = ()
    ) -> None:
        """`data` stands at `at` in the file."""
        # Unknown keys first: `mach: x` is one mistake, not an unknown key and then a missing match.
        for error in sorted(found, key=lambda e: e["type"] != "extra_forbidden"):
            loc: Path = error["loc"]
            path = (*at, *loc)
            siblings = keys_at(model, loc[:-1]) + (known if len(loc) == 1 else ())
            if self.broken(path):
                continue
            self.report(path, plain_words(error, _look_up(data, loc, error["input"]), siblings))
            if error["type"] == "extra_forbidden":
                meant = (*path[:-1], closest(str(path[-1]), siblings) or "")
                if not self.written.has(meant):
                    self.cut_at(meant)


def _is_echo(error: ErrorDetails) -> bool:
    """A list "too short" only because its items are wrong, each of which is reported."""
    seen = error["input"]
    return error["type"] == "too_short" and isinstance(seen, list) and len(seen) >= error["ctx"]["min_length"]


def _look_up(data: object, path: Path, default: object) -> object:
    for part in path:
        if isinstance(data, dict) and isinstance(part, str):
            data = data.get(part, default)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return default
    return data


def _cut_out(data: dict[str, object], path: Path) -> None:
    """Take out what stands at `path`, or put a stand-in where something must stand."""
    holder: object = data
    for depth, part in enumerate(path):
        is_last = depth == len(path) - 1
        if isinstance(holder, dict) and isinstance(part, str):
            inner = holder.get(part)
            if is_last and part not in holder and part in _STAND_INS:
                holder[part] = copy.deepcopy(_STAND_INS[part])
            elif is_last and part not in holder and depth:
                _cut_out(data, path[:-1])  # needed, and nothing can stand in for it
                return
            elif is_last or not isinstance(inner, dict | list):
                holder.pop(part, None)
                return
            holder = inner
        elif isinstance(holder, list) and isinstance(part, int) and part < len(holder):
            if is_last and holder[part] == {}:
                _cut_out(data, path[:-1])  # a list of texts, in which {} can't stand in for one
                return
            if is_last or not isinstance(holder[part], dict | list):
                holder[part] = {}
                return
            holder = holder[part]
