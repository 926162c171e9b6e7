"""`escalation:` of the config, as it is written, and as `EscalationPlan`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from schemas.config.checking import Checking
from schemas.config.desk.names import Names, check_name
from schemas.config.errors import Path, shown
from schemas.config.section import Section
from schemas.config.values import Duration, SecretText
from schemas.desk import Receiver
from schemas.response import Response
from schemas.response.escalation import EscalationPlan, Hooks, Policy, Step, Target
from schemas.response.oncall import OnCallPlan

_IN_PLACE = "a secret in the file itself; write ${env:NAME} or file:PATH"


def _target(text: str) -> str:
    try:
        Target.parse(text)
    except ValueError:
        raise ValueError(f"not a target: {shown(text)}; write person:, schedule:, team: or receiver:NAME") from None
    return text


class FileStep(Section):
    """Who is paged, and when."""

    after_s: Duration = Field(
        default=0.0,
        ge=0,
        validation_alias="after",
        description="How long after the step before, or after the incident was opened.",
    )
    notify: tuple[Annotated[str, AfterValidator(_target)], ...] = Field(
        min_length=1,
        max_length=50,
        description="Whom: `person:ann`, `schedule:devops` (whoever is on call then), `team:devops`, `receiver:chat`. "
        "Somebody whom several of them mean is paged once.",
    )
    unless: Literal["acknowledged", "resolved"] = Field(
        default="acknowledged",
        description="`resolved`: is told although somebody has the incident, as a manager may want to be.",
    )
    severities: tuple[Annotated[int, Field(ge=1, le=5)], ...] = Field(
        default=(), description="Only for incidents of these severities; 1 is the worst. Left out: for all."
    )
    time_intervals: tuple[str, ...] = Field(
        default=(), description="Only during one of these `time_intervals`. Left out: always."
    )


class FilePolicy(Section):
    """Steps that are taken one after the other until somebody has the incident."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = Field(description="As rules and teams name it.")
    steps: tuple[FileStep, ...] = Field(min_length=1, max_length=50, description="In their order.")
    repeat: int = Field(default=0, ge=0, le=100, description="How often the steps begin again when nobody moved.")
    repeat_after_s: Duration = Field(
        default=300.0,
        gt=0,
        validation_alias="repeat_after",
        description="How long after the last step; after the last repeat it is said that nobody moved.",
    )
    ack_expires_s: Duration | None = Field(
        default=None,
        gt=0,
        validation_alias="ack_expires",
        description="An acknowledgement without an end is forgotten after so long: the first step pages again.",
    )
    hands_over: bool = Field(
        default=False,
        description="PagerDuty's or Opsgenie's own policies go on from here; nothing is missed at its end.",
    )


class FileHooks(Section):
    """What others may tell the desk at `/hooks/...`. Each is off without its secret: `${env:NAME}` or `file:PATH`."""

    pagerduty_secret: SecretText | None = Field(
        default=None,
        description="Of the v3 webhook subscription that posts to `/hooks/pagerduty`; of several, with spaces between.",
    )
    slack_signing_secret: SecretText | None = Field(
        default=None,
        description="Of the Slack app whose interactivity leads to `/hooks/slack`: pages have buttons then.",
    )
    slack_strangers: Literal["refuse", "by_name"] = Field(
        default="refuse",
        description="Whether a Slack user without a `handles.slack` in `oncall.people` may act, under the name there.",
    )
    opsgenie_secret: SecretText | None = Field(
        default=None,
        description="Any long text, sent by its webhook to `/hooks/opsgenie` as header `X-Tidegauge-Secret`.",
    )


class FileEscalation(Section):
    """Whom to tell next when nobody moves."""

    policies: tuple[FilePolicy, ...] = Field(default=(), max_length=1000, description="Policies, by name.")
    hooks: FileHooks = Field(default=FileHooks(), description="Acknowledgements that come back from elsewhere.")
    link_key: SecretText | None = Field(
        default=None, description="Signs the links of pages. Left out: the desk makes one and keeps it."
    )
    links_last_s: Duration = Field(
        default=86_400.0, gt=0, validation_alias="links_last", description="How long the link of a page can be used."
    )


def escalation_of(written: FileEscalation, names: Names, checking: Checking) -> EscalationPlan:
    """Reports what is wrong in it; what it returns counts only where nothing was."""
    found = [each.name for each in written.policies]
    for position, name in enumerate(found):
        at: Path = ("escalation", "policies", position, "name")
        if found.index(name) < position and not checking.broken(at):
            line = checking.written.line(("escalation", "policies", found.index(name), "name"))
            checking.report(at, f"{shown(name)} is on line {line} already; give each its own name")
    for key in ("pagerduty_secret", "slack_signing_secret", "opsgenie_secret"):
        secret = getattr(written.hooks, key)
        if secret is not None and secret.kind == "text":
            checking.report(("escalation", "hooks", key), _IN_PLACE)
    if written.link_key is not None and written.link_key.kind == "text":
        checking.report(("escalation", "link_key"), _IN_PLACE)
    hooks = written.hooks
    return EscalationPlan(
        policies={
            each.name: _policy(each, position, names, checking) for position, each in enumerate(written.policies)
        },
        hooks=Hooks(hooks.pagerduty_secret, hooks.slack_signing_secret, hooks.slack_strangers, hooks.opsgenie_secret),
        link_key=written.link_key,
        links_last_s=written.links_last_s,
    )


def _policy(written: FilePolicy, position: int, names: Names, checking: Checking) -> Policy:
    steps = tuple(
        _step(each, ("escalation", "policies", position, "steps", number), names, checking)
        for number, each in enumerate(written.steps)
    )
    return Policy(
        name=written.name,
        steps=steps,
        repeat=written.repeat,
        ack_expires_s=written.ack_expires_s,
        repeat_after_s=written.repeat_after_s,
        hands_over=written.hands_over,
    )


def _step(written: FileStep, at: Path, names: Names, checking: Checking) -> Step:
    known = {
        "person": names.people,
        "schedule": names.schedules,
        "team": names.teams,
        "receiver": names.receivers,
    }
    targets = []
    for index, text in enumerate(written.notify):
        if checking.broken((*at, "notify", index)):
            continue
        target = Target.parse(text)
        check_name(target.name, known[target.kind], target.kind, (*at, "notify", index), checking)
        targets.append(target)
    for index, name in enumerate(written.time_intervals):
        check_name(name, names.time_intervals, "time interval", (*at, "time_intervals", index), checking)
    return Step(written.after_s, tuple(targets), written.unless, written.severities, written.time_intervals)


def check_reach(
    written: FileEscalation, response: Response, receivers: Mapping[str, Receiver], checking: Checking
) -> None:
    """What every name is right in, but nobody would be paged by, or never. For a config without mistakes so far."""
    oncall, incidents = response.oncall, response.incidents
    for position, policy in enumerate(response.escalation.policies.values()):
        for number, step in enumerate(policy.steps):
            at: Path = ("escalation", "policies", position, "steps", number)
            if not any(_can_be_told(name, oncall, receivers) for name in _meant(step, oncall)):
                checking.report((*at, "notify"), "reaches nobody: whoever it means has no receiver that tells anything")
    used = {rule.policy for rule in incidents.rules} | {team.policy for team in oncall.teams.values()}
    for position, each in enumerate(written.policies):
        if each.name not in used:
            checking.warn(("escalation", "policies", position, "name"), "no rule of incidents and no team uses it")


def _meant(step: Step, oncall: OnCallPlan) -> Iterator[Target]:
    """People whom the step can mean at some time, and receivers."""
    for target in step.targets:
        names: tuple[str, ...] = ()
        schedule = target.name if target.kind == "schedule" else ""
        if target.kind == "team":
            team = oncall.teams[target.name]
            names, schedule = (() if team.schedule else team.members), team.schedule
        if schedule:
            names = tuple(name for layer in oncall.schedules[schedule].layers for name in layer.people)
        if target.kind in ("person", "receiver"):
            yield target
        yield from (Target("person", name) for name in names)


def _can_be_told(target: Target, oncall: OnCallPlan, receivers: Mapping[str, Receiver]) -> bool:
    names = (target.name,) if target.kind == "receiver" else oncall.people[target.name].receivers
    return any(name in receivers and receivers[name].integrations for name in names)


SECTIONS: dict[str, type[BaseModel]] = {
    "escalation": FileEscalation,
    "escalation.policies[]": FilePolicy,
    "escalation.policies[].steps[]": FileStep,
    "escalation.hooks": FileHooks,
}
"""Where a mapping stands -> its model, for the page of all keys."""
