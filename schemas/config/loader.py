"""Config text to `Config`, or every mistake in it at once."""

import copy
import json
from collections.abc import Mapping

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas.config.errors import ConfigError, ConfigErrors, Path, Problem, closest, path_text
from schemas.config.models import DESK_KEYS, Common, Config, FileConfig, Topics
from schemas.config.resolve import OpensOn, Resolver
from schemas.config.tree import Broken, Tree, read_yaml
from schemas.config.words import keys_at, plain_words

# What must be there but isn't, so that the rest can still be checked.
_STAND_INS: dict[str, object] = {"rules": [{}], "name": "unnamed", "match": "{}", "at": "unknown"}
_CUTS_MAX = 40  # each round of cutting goes at least one step up from the deepest mistake


def load_config(text: str, file: str, params: Mapping[str, type[BaseModel]], opens_on: OpensOn) -> Config:
    """The config in `text`.

    file: only for messages; params: detector -> model of its settings; opens_on: detector -> what its levels compare.
    Raises ConfigErrors with every mistake, and nothing else.
    """
    try:
        tree = read_yaml(text)
    except Broken as broken:
        raise _errors(file, [broken.problem]) from None
    loading = _Loading(tree, params, opens_on)
    config = loading.config()
    if config is None or loading.problems:
        raise _errors(file, loading.problems)
    return config


def _errors(file: str, problems: list[Problem]) -> ConfigErrors:
    unique = sorted(set(problems), key=lambda p: (p.line, [str(part) for part in p.path], p.message))
    return ConfigErrors(ConfigError(file, p.line, path_text(p.path), p.message) for p in unique)


class _Loading:
    """One file on its way to a config. What is wrong is cut out, so that the rest can be looked at too."""

    def __init__(self, tree: Tree, params: Mapping[str, type[BaseModel]], opens_on: OpensOn) -> None:
        self._tree = tree
        self.problems = list(tree.problems)
        self._cut: set[Path] = set()
        self._above_cut: set[Path] = set()
        for problem in tree.problems:
            self._cut_at(problem.path)
        self._resolver = Resolver(params, opens_on, self._report, self._broken)

    def config(self) -> Config | None:
        """None where something was wrong; then `problems` has it."""
        data = self._tree.data
        if not isinstance(data, dict):
            found = "the file is empty" if data is None else "the file must be keys and values"
            self._report((), f"{found}; it needs at least rules (see examples/tidegauge.yaml)")
            return None
        desk = {key: data.pop(key) for key in DESK_KEYS if key in data}
        self._drop_nothings(data, ())
        file = self._file(data)
        if file is None:
            return None
        self._check_topics(file)
        self._check_rule_names(file)
        rules = [
            self._resolver.rule(rule, ("rules", position), file.limits.stale_after_s)
            for position, rule in enumerate(file.rules)
            if not self._cut & {("rules",), ("rules", position)}
        ]
        if self.problems:
            return None
        shared = {name: getattr(file, name) for name in Common.model_fields}
        return Config.model_validate({**shared, "rules": tuple(rules), "desk": desk})

    def _report(self, path: Path, message: str) -> None:
        self.problems.append(Problem(self._tree.line(path), self._tree.written(path), message))
        self._cut_at(path)

    def _cut_at(self, path: Path) -> None:
        self._cut |= {path} if path else set()
        self._above_cut.update(path[:length] for length in range(1, len(path)))

    def _broken(self, path: Path) -> bool:
        """Whether something at, under or above `path` was reported."""
        return path in self._above_cut or any(path[:length] in self._cut for length in range(1, len(path) + 1))

    def _drop_nothings(self, value: object, path: Path) -> None:
        """A key without a value is a mistake everywhere but in a detector's settings, where it may mean `none`."""
        if isinstance(value, list):
            for position, item in enumerate(value):
                self._drop_nothings(item, (*path, position))
        if not isinstance(value, dict) or (path[:1] == ("rules",) and path[-1] == "params"):
            return
        for key in [key for key, inner in value.items() if inner is None]:
            self._report((*path, key), "is empty; give it a value, or leave the key out")
            del value[key]
        for key, inner in value.items():
            self._drop_nothings(inner, (*path, key))

    def _file(self, data: dict[str, object]) -> FileConfig | None:
        """The file without all that pydantic finds wrong in it; what it finds in the whole file is reported."""
        for attempt in range(_CUTS_MAX):
            try:
                # As JSON: strict about "5" for 5, and still takes a list where the model has a tuple.
                return FileConfig.model_validate_json(json.dumps(data), strict=True, by_alias=True, by_name=False)
            except ValidationError as error:
                found = [e for e in error.errors() if not _is_echo(e)]
            if attempt == 0:
                self._report_found(found, data)
            for item in found:
                _cut_out(data, item["loc"])
        return None

    def _report_found(self, found: list[ErrorDetails], data: object) -> None:
        # Unknown keys first: `mach: x` is one mistake, not an unknown key and then a missing match.
        for error in sorted(found, key=lambda e: e["type"] != "extra_forbidden"):
            path: Path = error["loc"]
            siblings = keys_at(FileConfig, path[:-1]) + (tuple(DESK_KEYS) if len(path) == 1 else ())
            if self._broken(path):
                continue
            self._report(path, plain_words(error, _look_up(data, path, error["input"]), siblings))
            if error["type"] == "extra_forbidden":
                meant = (*path[:-1], closest(str(path[-1]), siblings) or "")
                if meant not in self._tree.lines:
                    self._cut_at(meant)

    def _check_topics(self, file: FileConfig) -> None:
        """No topic twice: a worker that reads what it writes never stops."""
        used: dict[str, Path] = {}
        for key in Topics.model_fields:
            topic = getattr(file.topics, key)
            if topic in used:
                self._report(("topics", key), f'"{topic}" is also {path_text(used[topic])}; give each its own topic')
            used.setdefault(topic, ("topics", key))
        for position, source in enumerate(file.inputs):
            at: Path = ("inputs", position, "topic")
            if source.topic in used and not self._broken(at):
                other = used[source.topic]
                # Whichever of the two is in the file: the other is a default.
                place = other if other in self._tree.lines and at not in self._tree.lines else at
                message = f'"{source.topic}" is an input and {path_text(other)}; give each its own topic'
                self._report(place, message)
            used.setdefault(source.topic, at)

    def _check_rule_names(self, file: FileConfig) -> None:
        first: dict[str, int] = {}
        for position, rule in enumerate(file.rules):
            at: Path = ("rules", position, "name")
            if self._broken(at):
                continue
            if rule.name in first:
                line = self._tree.line(("rules", first[rule.name], "name"))
                self._report(at, f"the rule on line {line} has this name too; alerts are told apart by it")
            first.setdefault(rule.name, position)


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
            elif is_last or not isinstance(inner, dict | list):
                holder.pop(part, None)
                return
            holder = inner
        elif isinstance(holder, list) and isinstance(part, int) and part < len(holder):
            if is_last or not isinstance(holder[part], dict | list):
                holder[part] = {}
                return
            holder = holder[part]
