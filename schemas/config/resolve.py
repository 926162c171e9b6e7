"""A rule as written to a rule as the engine takes it: defaults filled in, and what no single key can tell checked.

Told which detectors there are, their settings, and whether their levels are borders on the value or scores.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ValidationError

from schemas.config.borders import common_value, opposite, same_direction, within
from schemas.config.errors import Path, shown, suggestion
from schemas.config.models import FileLevel, FileLevels, FileRule, Limits
from schemas.config.presets import PRESETS
from schemas.config.rules import PLACE_LABELS, DetectorSpec, Level, Rule, hash_of
from schemas.config.values import border_of
from schemas.config.words import keys_at, plain_words, without_alternatives
from schemas.duration import format_duration
from schemas.levels import LEVELS, Border, LevelName, Op

OpensOn = Mapping[str, Literal["score", "value", "silence"]]
Report = Callable[[Path, str], None]
CLEAR_DEVIATION = 3.0  # robust sigmas within which a scored alert clears, unless told otherwise
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_RESERVED = ("alertname", "metric", "__name__")
_TEXT_CHARS_MAX = 4_096


def _of_groups(params: BaseModel | type[BaseModel]) -> bool | None:
    """Whether a detector with these settings needs `group_by`; None: it takes both."""
    needs: bool | None = getattr(params, "of_groups", False)
    return needs


def with_preset(rule: FileRule) -> FileRule:
    """The rule with what its preset brings where it says nothing itself: key by key, in `levels` and `params` too.

    A rule that names another detector takes only the preset's timers: levels and settings belong to the detector.
    """
    keys = dict(PRESETS[rule.preset or ""].keys)
    if rule.detector not in (None, keys["detector"]):
        for key in ("detector", "params", "levels"):
            keys.pop(key, None)
    brought = FileRule.model_validate_json(json.dumps({"name": rule.name, "match": "{}"} | keys))
    update: dict[str, object] = {
        name: getattr(brought, name) for name in brought.model_fields_set - rule.model_fields_set - {"name", "match"}
    }
    if rule.levels and brought.levels:
        own = rule.levels
        update["levels"] = brought.levels.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})
    levels = update.get("levels")
    if rule.clear and isinstance(levels, FileLevels):
        cleared = {name: getattr(levels, name) for name in rule.clear.model_fields_set if getattr(levels, name)}
        brought_only = {name: one for name, one in cleared.items() if not (rule.levels and getattr(rule.levels, name))}
        without = {name: one.model_copy(update={"clear": None}) for name, one in brought_only.items()}
        update["levels"] = levels.model_copy(update=without)
    if rule.params is not None and brought.params is not None:
        update["params"] = _over(rule.params, brought.params)
    return rule.model_copy(update=update)


def _over(written: Mapping[str, object], brought: Mapping[str, object]) -> dict[str, object]:
    """`written` key by key over `brought`, and so within."""
    both = {**brought, **written}
    for name, inner in written.items():
        under = brought.get(name)
        if isinstance(inner, dict) and isinstance(under, dict):
            both[name] = _over(inner, under)
    return both


class Resolver:
    """Resolves rule by rule. Mistakes go to `report`; `broken(path)` says that one was reported at or under a path."""

    def __init__(
        self,
        params: Mapping[str, type[BaseModel]],
        opens_on: OpensOn,
        report: Report,
        broken: Callable[[Path], bool],
    ) -> None:
        self._params_of = params
        self._opens_on = opens_on
        self._report = report
        self._broken = broken

    def rule(self, rule: FileRule, at: Path, limits: Limits) -> Rule | None:
        """None where anything in it was reported."""
        if rule.preset is not None and rule.preset not in PRESETS:
            self._report((*at, "preset"), f"no preset {shown(rule.preset)}; {suggestion(rule.preset, PRESETS)}")
            return None
        rule = with_preset(rule) if rule.preset is not None else rule
        self._texts(rule.labels, (*at, "labels"), reserved=_RESERVED)
        self._texts(rule.annotations, (*at, "annotations"), reserved=())
        specs: list[tuple[str, BaseModel, list[Border]]] = []
        levels: list[Level] = []
        for name, written, level_at in self._written_levels(rule, at):
            kind = self._kind(rule, written, at, level_at)
            params = self._level_params(rule, written, kind, at, level_at) if kind else None
            opens = self._opens(kind, written, level_at) if kind else None
            if kind is None or opens is None:
                continue
            clear, deviation = self._clears(kind, opens, name, written, rule, at, level_at)
            if params is None:
                continue
            index = next((i for i, (k, p, _) in enumerate(specs) if k == kind and p == params), len(specs))
            if index == len(specs):
                specs.append((kind, params, []))
            specs[index][2].append(opens)
            for_s = rule.for_s if written.for_s is None else written.for_s
            keep_s = rule.keep_firing_for_s if written.keep_firing_for_s is None else written.keep_firing_for_s
            levels.append(Level(LEVELS.index(name) + 1, name, index, opens, clear, deviation, for_s, keep_s))
        self._order(levels, specs, at)
        self._only_scores(rule, [kind for kind, _, _ in specs], at)
        self._silence_alone(rule, specs, levels, limits.idle_after_s, at)
        self._grouping(rule, specs, at)
        if self._broken(at):
            return None
        stale_s = limits.stale_after_s if rule.stale_after_s is None else rule.stale_after_s
        detectors = tuple(DetectorSpec(kind, params, tuple(borders)) for kind, params, borders in specs)
        by_score = any(self._opens_on[spec.kind] == "score" for spec in detectors)
        resolved = Rule(
            name=rule.name,
            selector=rule.match,
            detectors=detectors,
            levels=tuple(levels),
            labels=tuple(sorted(rule.labels.items())),
            annotations=tuple(sorted(rule.annotations.items())),
            stale_after_s=stale_s,
            back_off=by_score and rule.back_off is not False,
            budget_a_day=rule.budget_a_day or 0.0,
            group_by=rule.group_by,
            align_s=rule.align_s,
        )
        return replace(resolved, config_hash=hash_of(resolved))

    def _grouping(self, rule: FileRule, specs: list[tuple[str, BaseModel, list[Border]]], at: Path) -> None:
        """A rule is of series or of groups, and so are all its detectors."""
        for kind, params, _ in specs if not self._broken((*at, "group_by")) else ():
            needs = _of_groups(params)
            if needs and rule.group_by is None:
                message = f"missing; {kind} judges several series together: name the labels they share, as [host]"
                self._report((*at, "group_by"), message)
            elif needs is False and rule.group_by is not None:
                grouped = ", ".join(sorted(k for k, p in self._params_of.items() if _of_groups(p) is not False))
                message = f"{kind} judges each series for itself; leave it out, or use one of {grouped}"
                self._report((*at, "group_by"), message)
            elif rule.group_by is not None and (reason := getattr(params, "not_of_groups", "")):
                self._report((*at, "group_by"), f"{reason}; leave it out, and each series is judged for itself")
        silence = [kind for kind, _, _ in specs if self._opens_on[kind] == "silence"]
        if silence and rule.group_by is not None and "align_s" in rule.model_fields_set:
            self._report((*at, "align"), f"{silence[0]} takes no rows of members; leave it out")
        for k, name in enumerate(rule.group_by or ()):
            if not _LABEL.match(name):
                self._report((*at, "group_by", k), f"{shown(name)} is not the name of a label")
            elif name in (rule.group_by or ())[:k]:
                self._report((*at, "group_by", k), f"{shown(name)} is there twice")
            elif name in PLACE_LABELS and silence:
                self._report((*at, "group_by", k), f"{shown(name)} is set by Tidegauge itself where there are several")

    def _written_levels(self, rule: FileRule, at: Path) -> list[tuple[LevelName, FileLevel, Path]]:
        levels_at = (*at, "levels")
        if rule.detector is not None and not self._broken((*at, "detector")):
            self._known_kind(rule.detector, (*at, "detector"))
        if rule.params is not None and rule.detector is None and not self._broken((*at, "detector")):
            self._report((*at, "params"), "settings of no detector; add detector: ... beside them")
        elif rule.params is not None and rule.detector is not None and rule.detector in self._params_of:
            self._params(rule.detector, rule.params, (*at, "params"))
        if rule.levels is None and not self._broken(levels_at):
            if rule.detector is None:
                self._missing_detector(at)
            elif self._opens_on.get(rule.detector) == "value":
                self._report(levels_at, f'missing; {rule.detector} needs borders, for example {{warning: "> 80"}}')
            elif rule.detector in self._params_of:
                return [("warning", FileLevel(at=1.0), levels_at)]
            return []
        found = [(name, getattr(rule.levels, name, None)) for name in LEVELS]
        given = {name: level for name, level in found if isinstance(level, FileLevel)}
        if not given and not self._broken(levels_at):
            self._report(levels_at, f"no level; give at least one of {', '.join(LEVELS)}")
        for name in LEVELS if rule.clear else ():
            stray = getattr(rule.clear, name) is not None and name not in given
            if stray and not self._broken((*levels_at, name)):
                self._report((*at, "clear", name), f"there is no level {name} to clear; add it under levels")
        return [(name, given[name], (*levels_at, name)) for name in LEVELS if name in given]

    def _missing_detector(self, at: Path) -> None:
        if not self._broken((*at, "detector")) and not self._broken((*at, "preset")):
            self._report((*at, "detector"), f"missing; write one of {', '.join(sorted(self._params_of))}")

    def _known_kind(self, kind: str, at: Path) -> bool:
        if kind in self._params_of:
            return True
        if not self._broken(at):
            self._report(at, f"no detector {shown(kind)}; {suggestion(kind, self._params_of)}")
        return False

    def _kind(self, rule: FileRule, level: FileLevel, at: Path, level_at: Path) -> str | None:
        if level.detector is not None:
            return level.detector if self._known_kind(level.detector, (*level_at, "detector")) else None
        if self._broken((*level_at, "detector")):
            return None
        if rule.detector is None:
            self._missing_detector(at)
            return None
        return rule.detector if rule.detector in self._params_of else None

    def _level_params(self, rule: FileRule, level: FileLevel, kind: str, at: Path, level_at: Path) -> BaseModel | None:
        if level.params is not None:
            return self._params(kind, level.params, (*level_at, "params"))
        if kind == rule.detector and rule.params is not None:
            return self._params(kind, rule.params, (*at, "params"))
        # Settings without a default are then missing beside the key that names the detector.
        beside = level_at if level.detector is not None else at
        return self._params(kind, {}, (*beside, "params"))

    def _params(self, kind: str, written: Mapping[str, object], at: Path) -> BaseModel | None:
        if self._broken(at):
            return None
        model = self._params_of[kind]
        try:
            # As JSON: strict about "5" for 5, and still takes a list where the model has a tuple.
            return model.model_validate_json(json.dumps(written), strict=True)
        except ValidationError as error:
            for found in without_alternatives(error.errors(), written):
                loc: Path = found["loc"]
                self._report((*at, *loc), plain_words(found, found["input"], keys_at(model, loc[:-1])))
        return None

    def _opens(self, kind: str, level: FileLevel, at: Path) -> Border | None:
        if self._broken((*at, "at")):
            return None
        if isinstance(level.at, str) and self._opens_on[kind] == "value":
            return self._border(level.at, (*at, "at"))
        if isinstance(level.at, str):
            meant = "write 1.0, the series' own border, or use detector: threshold"
            self._report((*at, "at"), f"{kind} opens at a score, got {shown(level.at)}; {meant}")
        elif self._opens_on[kind] == "value":
            message = f'{kind} compares the value and needs a direction, got {level.at:g}; write "> {level.at:g}"'
            self._report((*at, "at"), message)
        elif level.at <= 0:
            self._report((*at, "at"), f"a score must be > 0, got {level.at:g}; 1.0 is the detector's own border")
        else:
            return Border(Op.AT_LEAST, level.at)
        return None

    def _border(self, text: str, at: Path) -> Border | None:
        try:
            return border_of(text)
        except ValueError as error:
            self._report(at, str(error))
            return None

    def _clears(
        self, kind: str, opens: Border, name: LevelName, level: FileLevel, rule: FileRule, at: Path, level_at: Path
    ) -> tuple[Border | None, float | None]:
        clear_at, written = (*level_at, "clear"), level.clear
        from_rule = getattr(rule.clear, name, None)
        if isinstance(from_rule, str | float):
            if written is not None:
                self._report((*at, "clear", name), f"given twice, also in levels.{name}; keep one of them")
            clear_at, written = (*at, "clear", name), from_rule
        if self._opens_on[kind] == "silence":
            if written is not None:
                self._report(clear_at, f"{kind} clears with the series' next point; leave it out")
            return None, None
        if self._opens_on[kind] == "score":
            return None, self._deviation(written, clear_at)
        if written is None:
            return None, None
        if isinstance(written, float):
            sign = "<" if opens.op in (Op.ABOVE, Op.AT_LEAST) else ">"
            message = f'is the condition under which it clears, got {written:g}; write "{sign} {written:g}"'
            self._report(clear_at, message)
            return None, None
        clear = self._border(written, clear_at)
        both = clear and common_value(opens, clear)
        if both is not None:
            message = f'"{clear}" contradicts the level, which opens at "{opens}": {both:g} is both over and clear'
            self._report(clear_at, f'{message}; write for example "{opposite(opens)}"')
        return clear, None

    def _deviation(self, written: str | float | None, at: Path) -> float:
        if written is None:
            return CLEAR_DEVIATION
        if isinstance(written, str):
            message = f"a score clears by the distance from what is expected, got {shown(written)}"
            self._report(at, f"{message}; write a number of robust sigmas: 3.0")
        elif written <= 0:
            self._report(at, f"must be > 0 (robust sigmas), got {written:g}; the default is {CLEAR_DEVIATION}")
        else:
            return written
        return CLEAR_DEVIATION

    def _order(self, levels: list[Level], specs: list[tuple[str, BaseModel, list[Border]]], at: Path) -> None:
        """A worse level must not open where a milder one, measured the same way, doesn't."""
        for position, worse in enumerate(levels):
            for milder in reversed(levels[:position]):
                on_value = all(self._opens_on[specs[level.detector][0]] == "value" for level in (worse, milder))
                if not on_value and worse.detector != milder.detector:
                    continue
                if not same_direction(worse.open, milder.open) or within(worse.open, milder.open):
                    continue
                opens, other = (f'"{b}"' if on_value else f"{b.low:g}" for b in (worse.open, milder.open))
                message = f"{worse.name} opens at {opens}, which is milder than {milder.name} at {other}"
                self._report((*at, "levels", worse.name), f"{message}; make it stricter, or swap the two")
                break

    def _only_scores(self, rule: FileRule, kinds: list[str], at: Path) -> None:
        """What holds openings by score back says nothing about a border that a person drew."""
        if not kinds or any(self._opens_on[kind] == "score" for kind in kinds):
            return
        for key, written in (("back_off", rule.back_off is True), ("budget", rule.budget_a_day is not None)):
            if written and not self._broken((*at, key)):
                self._report((*at, key), f"holds back openings by score, and {kinds[0]} has none; leave it out")

    def _silence_alone(
        self,
        rule: FileRule,
        specs: list[tuple[str, BaseModel, list[Border]]],
        levels: list[Level],
        idle_after_s: float,
        at: Path,
    ) -> None:
        """Silence is told by time, everything else by points: no alert can be about both."""
        kind, params = next(
            ((kind, params) for kind, params, _ in specs if self._opens_on[kind] == "silence"), ("", None)
        )
        if not kind:
            return
        after_s = float(getattr(params, "after", 0.0))
        for level in levels:
            if after_s * level.open.low >= idle_after_s:
                told, idle = format_duration(after_s * level.open.low), format_duration(idle_after_s)
                message = (
                    f"would open after {told}, but after limits.idle_after ({idle}) a series is no longer expected"
                )
                self._report((*at, "levels", level.name), f"{message}; lower it, or raise limits.idle_after")
        if len(specs) > 1:
            self._report((*at, "levels"), f"{kind} needs a rule of its own; other detectors speak only when data comes")
        if any(level.for_s or level.keep_firing_for_s for level in levels):
            key = "for" if any(level.for_s for level in levels) else "keep_firing_for"
            self._report((*at, key), f"counts on data that comes, and {kind} is about none; use params: {{after: ...}}")

    def _texts(self, texts: Mapping[str, str], at: Path, reserved: tuple[str, ...]) -> None:
        for name, text in texts.items():
            if name in reserved:
                self._report((*at, name), "is set by Tidegauge itself; use another name")
            elif not _LABEL.match(name):
                self._report((*at, name), "not a name: use letters, digits and _, and no digit first")
            if len(text) > _TEXT_CHARS_MAX:
                self._report((*at, name), f"longer than {_TEXT_CHARS_MAX} characters")
