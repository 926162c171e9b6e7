"""`automation.remedies` of the config, as they are written, and as `RemedyRule`s. Each has the key of one kind."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from schemas.config.checking import Checking
from schemas.config.desk.names import Names, check_name
from schemas.config.desk.receivers import LITERAL, is_in_place, secrets_in
from schemas.config.desk.routes import joined
from schemas.config.desk.words import Condition
from schemas.config.errors import Path, shown, suggestion
from schemas.config.section import Section
from schemas.config.values import Duration, border_of
from schemas.levels import LevelName
from schemas.response.automation import Limit, Mode, RemedyRule
from schemas.response.escalation import Target
from schemas.selector import compile_regex

Kinds = Mapping[str, type[BaseModel]]
"""Kind of remedy -> model of its settings."""
_HOLD_S_MAX = 1800.0


def _regex(text: str) -> str:
    compile_regex(text)
    return text


def _template(text: str) -> str:
    rest = re.sub(r"\{[^{}]+\}", "", text)
    if "{" in rest or "}" in rest:
        raise ValueError(f"not a name made of labels: {shown(text)}; write for example {{namespace}}/{{service}}")
    return text


def _border(text: str) -> str:
    border_of(text)
    return text


class FileLimit(Section):
    """At most so often in so long."""

    count: int = Field(ge=1, le=1_000, description="How often.")
    window_s: Duration = Field(gt=0, validation_alias="window", description="In how long.")

    def limit(self) -> Limit:
        return Limit(self.count, self.window_s)


class FileRemedy(Section):
    """What is done about an alert, to what, how often, and who is told where it doesn't help. Beside these it has the
    key of one kind with its settings, such as `kubernetes_scale` or `command`."""

    # The kinds are told to the loader, which checks their settings.
    model_config = ConfigDict(extra="allow")

    name: str = Field(min_length=1, max_length=100, description="As it is called everywhere; once in the file.")
    matchers: tuple[Condition, ...] = Field(min_length=1, description="Which alerts; conditions as in a route.")
    level: LevelName = Field(default="warning", description="Only at this level or above.")
    for_s: Duration = Field(
        default=0.0, ge=0, validation_alias="for", description="Only when the desk has seen it fire for so long."
    )
    mode: Literal["off", "suggest", "dry_run", "auto"] = Field(
        default="suggest",
        description="`suggest` asks a person, `dry_run` says what it would do, `auto` does it; never more than "
        "`automation.mode`.",
    )
    target: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_template)] | None = Field(
        default=None,
        description="Name of what is acted on, made of labels: `{namespace}/{service}`. Cooldown, limits and locks are "
        "by it. Left out: as the kind names it.",
    )
    only: Annotated[str, Field(min_length=1), AfterValidator(_regex)] | None = Field(
        default=None, description="Regular expression (RE2) that a target must match whole. Left out: any target."
    )
    cooldown_s: Duration = Field(
        default=300.0, ge=0, validation_alias="cooldown", description="Between two acts on one target."
    )
    limit: FileLimit = Field(
        default=FileLimit(count=3, window_s=3600.0), description="Acts on one target; then people are paged."
    )
    limit_all: FileLimit = Field(
        default=FileLimit(count=10, window_s=3600.0), description="Acts on all targets; then people are paged."
    )
    active_time_intervals: tuple[str, ...] = Field(
        default=(), description="Only during one of these `time_intervals`. Left out: always."
    )
    settle_s: Duration = Field(
        default=30.0,
        ge=0,
        validation_alias="settle",
        description="How long it needs before it can be told if it helped.",
    )
    verify_within_s: Duration = Field(
        default=600.0,
        gt=0,
        validation_alias="verify_within",
        description="By then the alert must have ended, else it didn't help.",
    )
    helped: Annotated[str, AfterValidator(_border)] | None = Field(
        default=None,
        description="Border such as `< 75`: it has helped too when the alert's metric, if it is watched, is there.",
    )
    attempts: int = Field(default=1, ge=1, le=10, description="How often in all, where it doesn't help.")
    back_off_s: Duration = Field(
        default=60.0, ge=0, validation_alias="back_off", description="Before the second attempt; doubled each time."
    )
    roll_back: bool = Field(default=True, description="Takes back what didn't help, where the kind can.")
    escalate_to: str | None = Field(
        default=None,
        min_length=1,
        description="Who is paged where it didn't help: `team:devops`, another target, or a policy. Left out: the "
        "incident's own policy.",
    )
    hold_page_s: Duration = Field(
        default=0.0,
        ge=0,
        le=_HOLD_S_MAX,
        validation_alias="hold_page",
        description="So long at most the incident's pages wait while it tries; they go out at once when it fails.",
    )
    approve_within_s: Duration = Field(
        default=3600.0, gt=0, validation_alias="approve_within", description="How long a suggestion stands."
    )
    masking: FileLimit = Field(
        default=FileLimit(count=3, window_s=7 * 86_400.0),
        description="Where it helps one target more often than that, somebody gets the task to find the cause.",
    )
    tell_success: bool = Field(default=True, description="Whether people get an alert of level info when it helped.")


def remedies_of(
    written: Sequence[FileRemedy],
    kinds: Kinds,
    mode: Mode,
    names: Names,
    checking: Checking,
) -> tuple[RemedyRule, ...]:
    """mode: of `automation`."""
    found = []
    first: dict[str, int] = {}
    for position, each in enumerate(written):
        at: Path = ("automation", "remedies", position)
        if each.name in first and not checking.broken((*at, "name")):
            line = checking.written.line(("automation", "remedies", first[each.name], "name"))
            checking.report((*at, "name"), f"{shown(each.name)} is on line {line} already; give each its own name")
        first.setdefault(each.name, position)
        made = _Remedy(each, at, kinds, checking)
        made.check_names(names)
        rule = made.rule()
        if rule is not None:
            found.append(rule)
            made.warn(mode)
    return tuple(found)


class _Remedy:
    def __init__(self, written: FileRemedy, at: Path, kinds: Kinds, checking: Checking) -> None:
        self._written, self._at, self._kinds, self._checking = written, at, kinds, checking

    def check_names(self, names: Names) -> None:
        written, at, checking = self._written, self._at, self._checking
        for position, name in enumerate(written.active_time_intervals):
            check_name(name, names.time_intervals, "time interval", (*at, "active_time_intervals", position), checking)
        if written.escalate_to is None:
            return
        try:
            target = Target.parse(written.escalate_to)
        except ValueError:
            policy = written.escalate_to.removeprefix("policy:")
            check_name(policy, names.policies, "policy", (*at, "escalate_to"), checking)
            return
        known = {"person": names.people, "schedule": names.schedules, "team": names.teams, "receiver": names.receivers}
        check_name(target.name, known[target.kind], target.kind, (*at, "escalate_to"), checking)

    def rule(self) -> RemedyRule | None:
        written = self._written
        found = self._settings()
        matchers = joined(written.matchers, {}, {}, (*self._at, "matchers"), self._checking)
        if found is None:
            return None
        kind, settings = found
        return RemedyRule(
            name=written.name,
            matchers=matchers,
            kind=kind,
            settings=settings,
            mode=written.mode,
            level=written.level,
            for_s=written.for_s,
            target=written.target or "",
            only=written.only or "",
            cooldown_s=written.cooldown_s,
            limit=written.limit.limit(),
            limit_all=written.limit_all.limit(),
            settle_s=written.settle_s,
            verify_within_s=written.verify_within_s,
            helped=border_of(written.helped) if written.helped is not None else None,
            attempts=written.attempts,
            back_off_s=written.back_off_s,
            roll_back=written.roll_back,
            escalate_to=(written.escalate_to or "").removeprefix("policy:"),
            hold_page_s=written.hold_page_s,
            approve_within_s=written.approve_within_s,
            active_time_intervals=written.active_time_intervals,
            masking=written.masking.limit(),
            is_success_told=written.tell_success,
        )

    def warn(self, mode: Mode) -> None:
        """Of what is right and seldom meant."""
        written, checking = self._written, self._checking
        if written.mode == "off" or mode == "off":
            return
        if written.verify_within_s <= written.settle_s:
            message = "isn't longer than settle, so it can hardly be seen to help"
            checking.warn((*self._at, "verify_within"), message)
        if written.mode != "auto" or mode != "auto":
            return
        given = written.model_fields_set
        if "limit" not in given:
            checking.warn(self._at, "acts by itself without a limit of its own; 3 an hour on one target is the default")
        if written.escalate_to is None:
            message = "acts by itself and names nobody in escalate_to; where it fails, only the incident's policy tells"
            checking.warn(self._at, message)
        if written.cooldown_s == 0:
            checking.warn((*self._at, "cooldown"), "0: it may act again while the last act has not shown its effect")

    def _settings(self) -> tuple[str, BaseModel] | None:
        """The one key of a kind, and what stands there."""
        checking, at = self._checking, self._at
        extra = self._written.model_extra or {}
        for key in extra:
            if key not in self._kinds and not checking.broken((*at, key)):
                checking.report((*at, key), f"unknown key; {suggestion(key, [*_KEYS, *sorted(self._kinds)])}")
        kinds = [key for key in extra if key in self._kinds]
        if len(kinds) != 1 and not checking.broken(at):
            none = f"says nothing of what to do; add {_one_of(self._kinds)}"
            checking.report(at, f"has {' and '.join(kinds)}; keep one" if kinds else none)
        if len(kinds) != 1:
            return None
        kind, entry = kinds[0], extra[kinds[0]]
        where = (*at, kind)
        if not isinstance(entry, dict):
            checking.report(where, f"must be keys and values, got {shown(entry)}")
            return None
        model = self._kinds[kind]
        try:
            settings = model.model_validate_json(json.dumps(entry), strict=True, by_alias=True, by_name=False)
        except ValidationError as error:
            checking.report_found(error.errors(), model, entry, where)
            return None
        for inner, secret in secrets_in(settings):
            if is_in_place(secret):
                checking.warn((*where, *inner), LITERAL)
        return kind, settings


def _one_of(kinds: Kinds) -> str:
    return f"one of {', '.join(sorted(kinds))}" if kinds else "a kind of remedy"


_KEYS = tuple(
    info.validation_alias if isinstance(info.validation_alias, str) else name
    for name, info in FileRemedy.model_fields.items()
)
SECTIONS: dict[str, type[BaseModel]] = {
    "automation.remedies[]": FileRemedy,
    "automation.remedies[].limit": FileLimit,
}
"""Where a mapping stands -> its model, for the page of all keys."""
