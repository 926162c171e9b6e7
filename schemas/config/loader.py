"""Config text to `Config`, or every mistake in it at once."""

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel

from schemas.config.checking import Checking
from schemas.config.desk.alertmanager import AlertmanagerPart
from schemas.config.desk.own import OwnPart
from schemas.config.desk.remedies import Kinds
from schemas.config.desk.resolve import desk_of, without_unused_globals
from schemas.config.desk.spec import Notifiers
from schemas.config.errors import ConfigError, ConfigErrors, Path, Problem, path_text
from schemas.config.lint import RULE_LINTS, unreachable_routes
from schemas.config.machine import NO_MACHINE, Machine
from schemas.config.models import (
    Common,
    Config,
    DeskFileConfig,
    FileConfig,
    Topics,
    WholeFile,
)
from schemas.config.resolve import OpensOn, Resolver
from schemas.config.rules import Rule
from schemas.config.tree import Broken
from schemas.config.words import keys_at
from schemas.config.written import Written
from schemas.desk import Desk

_NO_NOTIFIERS: Notifiers = MappingProxyType({})
_NO_REMEDIES: Kinds = MappingProxyType({})


def load_config(
    text: str,
    file: str,
    params: Mapping[str, type[BaseModel]],
    opens_on: OpensOn,
    notifiers: Notifiers = _NO_NOTIFIERS,
    machine: Machine = NO_MACHINE,
    need_rules: bool = True,
    remedies: Kinds = _NO_REMEDIES,
) -> Config:
    """The config in `text`.

    file: for messages, and for what it includes; params: detector -> model of its settings; opens_on: detector -> what
    its levels compare; notifiers: kind of receiver -> its settings; need_rules: whether a file without rules is wrong;
    remedies: kind of remedy -> model of its settings.
    Raises ConfigErrors with every mistake, and nothing else.
    """
    try:
        written = Written(text, file, machine)
    except Broken as broken:
        raise ConfigErrors(_named([broken.problem], (file,))) from None
    loading = _Loading(Checking(written), params, opens_on, notifiers, machine, remedies)
    config = loading.config(FileConfig if need_rules else DeskFileConfig)
    if config is None:
        raise ConfigErrors(_named(loading.checking.problems, written.files))
    warnings = _named(loading.checking.warnings, written.files)
    paths: list[Path] = [("rules", number, "match") for number in range(len(config.rules))]
    rules_at = tuple(_told(written.problem(path, ""), written.files) for path in paths)
    return config.model_copy(update={"warnings": warnings, "rules_at": rules_at})


def _named(problems: list[Problem], files: tuple[str, ...]) -> tuple[ConfigError, ...]:
    """Without doubles, file by file, in the order of lines."""
    order = {file: position for position, file in enumerate(files)}
    unique = sorted(
        set(problems), key=lambda p: (order.get(p.file, 0), p.line, [str(part) for part in p.path], p.message)
    )
    return tuple(_told(problem, files) for problem in unique)


def _told(problem: Problem, files: tuple[str, ...]) -> ConfigError:
    return ConfigError(problem.file or files[0], problem.line, path_text(problem.path), problem.message)


class _Loading:
    """One file on its way to a config."""

    def __init__(
        self,
        checking: Checking,
        params: Mapping[str, type[BaseModel]],
        opens_on: OpensOn,
        notifiers: Notifiers,
        machine: Machine,
        remedies: Kinds,
    ) -> None:
        self.checking = checking
        self._resolver = Resolver(params, opens_on, checking.report, checking.broken)
        self._opens_on = opens_on
        self._notifiers = notifiers
        self._machine = machine
        self._remedies = remedies

    def config(self, model: type[FileConfig]) -> Config | None:
        """None where something was wrong."""
        checking = self.checking
        data = checking.written.data
        if not isinstance(data, dict) or (not data and not checking.problems):
            is_empty = data is None or data == {}
            found = "the file is empty" if is_empty else "the file must be keys and values"
            checking.report((), f"{found}; it needs at least rules (see examples/tidegauge.yaml)")
            return None
        alertmanagers = {key: data.pop(key) for key in keys_at(AlertmanagerPart, ()) if key in data}
        checking.drop_nothings(data, ())
        own = {key: data.pop(key) for key in keys_at(OwnPart, ()) if key in data}
        known = keys_at(WholeFile, ())
        file = checking.validated(model, data, known)
        rules = self._rules(file) if file else []
        desk = self._desk(alertmanagers, own)
        if file is None or desk is None or checking.problems:
            return None
        shared = {name: getattr(file, name) for name in Common.model_fields}
        config = Config.model_validate({**shared, "rules": tuple(rules), "desk": desk})
        self._lint(config)
        return config

    def _lint(self, config: Config) -> None:
        """What is right, and can't be meant."""
        found = [one for lint in RULE_LINTS for one in lint(config.rules, self._opens_on.__getitem__)]
        for path, message in (*found, *unreachable_routes(config.desk.route)):
            self.checking.warn(path, message)

    def _rules(self, file: FileConfig) -> list[Rule | None]:
        self._check_topics(file)
        self._check_rule_names(file)
        return [
            self._resolver.rule(rule, ("rules", position), file.limits)
            for position, rule in enumerate(file.rules)
            if not self.checking.cut & {("rules",), ("rules", position)}
        ]

    def _desk(self, alertmanagers: dict[str, object], own: dict[str, object]) -> Desk | None:
        texts = {key: self.checking.as_alertmanager_reads(value, (key,)) for key, value in alertmanagers.items()}
        given = {key: value for key, value in texts.items() if value is not None}
        ours = self.checking.validated(OwnPart, own)
        without_unused_globals(given, self.checking)
        theirs = self.checking.validated(AlertmanagerPart, given, strict=False)
        if ours is None or theirs is None:
            return None
        shared = given.get("global")
        return desk_of(
            theirs,
            ours,
            shared if isinstance(shared, dict) else {},
            self._notifiers,
            self.checking,
            self._machine,
            self._remedies,
        )

    def _check_topics(self, file: FileConfig) -> None:
        """No topic twice: a worker that reads what it writes never stops."""
        checking = self.checking
        used: dict[str, Path] = {}
        for key in Topics.model_fields:
            topic = getattr(file.topics, key)
            if topic in used:
                checking.report(("topics", key), f'"{topic}" is also {path_text(used[topic])}; give each its own topic')
            used.setdefault(topic, ("topics", key))
        for position, source in enumerate(file.inputs):
            at: Path = ("inputs", position, "topic")
            if source.topic in used and not checking.broken(at):
                other = used[source.topic]
                # Whichever of the two is in the file: the other is a default.
                place = other if checking.written.has(other) and not checking.written.has(at) else at
                message = f'"{source.topic}" is an input and {path_text(other)}; give each its own topic'
                checking.report(place, message)
            used.setdefault(source.topic, at)

    def _check_rule_names(self, file: FileConfig) -> None:
        first: dict[str, int] = {}
        for position, rule in enumerate(file.rules):
            at: Path = ("rules", position, "name")
            if self.checking.broken(at):
                continue
            if rule.name in first:
                line = self.checking.written.line(("rules", first[rule.name], "name"))
                self.checking.report(at, f"the rule on line {line} has this name too; alerts are told apart by it")
            first.setdefault(rule.name, position)
