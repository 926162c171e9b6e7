"""The config file's keys: what each is called, may hold and means. docs/config.md and the JSON Schema are made from it.

`WholeFile` is the file as written; `Config` is what the program works with, rules (`rules.py`) and desk resolved.
Attributes carry their unit (`every_s`), keys in the file don't (`every: 30s`); code builds sections by attribute name.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, InstanceOf

from schemas.config.desk.alertmanager import AlertmanagerPart
from schemas.config.desk.own import OwnPart
from schemas.config.desk.routes import desk_without_route
from schemas.config.errors import ConfigError
from schemas.config.presets import PRESETS
from schemas.config.rules import Rule
from schemas.config.section import Section
from schemas.config.values import Bootstrap, Budget, Duration, InputFormat, LevelAt, Match, Topic, level_shorthand
from schemas.desk import Desk


class Kafka(Section):
    """The Kafka cluster."""

    bootstrap: Bootstrap = Field(
        default="127.0.0.1:9092",
        description="Brokers to ask first: `host:port`, several with commas. Left out: KAFKA_BOOTSTRAP, if set.",
    )
    group: str = Field(
        default="tidegauge",
        min_length=1,
        max_length=200,
        description="Consumer group. Workers of one group share the partitions.",
    )


class Input(Section):
    """A topic that metrics come from."""

    topic: Topic = Field(default="metrics", description="Topic to read.")
    format: InputFormat = Field(default="auto", description="What its records are; `auto` looks at each record.")
    keyed_by_series: bool = Field(
        default=False,
        description="Promises that each series stays on one partition (producers use the series as key). "
        "A topic of one partition needs no promise.",
    )


class Topics(Section):
    """Topics that are written, but for `changes`; those that are missing are created."""

    alerts: Topic = Field(default="alerts", description="Every transition of every alert.")
    state: Topic = Field(default="alerts-state", description="The latest transition of each alert; compacted.")
    dead_letters: Topic = Field(default="dead-letters", description="Events that could not be read, with the reason.")
    incidents: Topic = Field(default="incidents", description="Incident events.")
    changes: Topic = Field(default="changes", description="Deployments and other changes, as others publish them.")
    workers: Topic = Field(
        default="tidegauge-workers", description="Every worker's sign of life, its address and partitions."
    )
    load: Topic = Field(
        default="tidegauge-load", description="Newest points of series that are scaled or healed by; compacted."
    )
    control: Topic = Field(
        default="tidegauge-control", description="What people tell the workers (feedback); kept for ever."
    )
    snapshots: Topic = Field(
        default="tidegauge-snapshots", description="Detector state, where `snapshots.store` is `topic`; compacted."
    )


class Snapshots(Section):
    """Where detector state is kept, so that a restart goes on where it stopped."""

    store: Literal["folder", "topic"] = Field(
        default="folder", description="`folder`: files under `path`; `topic`: Kafka itself."
    )
    path: str = Field(
        default="./state", min_length=1, description="Folder for `store: folder`; workers that share it share state."
    )
    every_s: Duration = Field(
        default=30.0, gt=0, validation_alias="every", description="How often state is saved, each partition."
    )


class Limits(Section):
    """Bounds, so that bad input costs accuracy and not the process."""

    max_series: int = Field(
        default=1_000_000, ge=1, description="Series a worker keeps; events of further ones are counted and left out."
    )
    max_future_s: Duration = Field(
        default=600.0,
        gt=0,
        validation_alias="max_future",
        description="Events dated further ahead of their Kafka record are dead letters.",
    )
    idle_after_s: Duration = Field(
        default=259_200.0,
        gt=0,
        validation_alias="idle_after",
        description="A series with a longer gap starts fresh, as if never seen.",
    )
    stale_after_s: Duration = Field(
        default=3_600.0,
        gt=0,
        validation_alias="stale_after",
        description="A firing series that is silent for so long is resolved.",
    )
    tombstone_after_s: Duration = Field(
        default=3_600.0,
        gt=0,
        validation_alias="tombstone_after",
        description="Resolved alerts leave the `state` topic after so long.",
    )


class FileLevel(Section):
    """A level written out. Short forms: `"> 80"` and `1.0` mean `{at: ...}`."""

    detector: str | None = Field(default=None, description="Detector of this level, if not the rule's.")
    at: LevelAt = Field(
        description='Where it opens: a border such as `"> 80"`, `"<= 0.5"`, `"outside 10..90"` for detectors that '
        "compare the value, a score such as `1.0` for those that score."
    )
    clear: LevelAt | None = Field(
        default=None,
        description='Where it clears: the condition on the value (`"< 75"`; default: no longer over `at`), or for '
        "scores the distance from what is expected, in robust sigmas (default 3.0).",
    )
    for_s: Duration | None = Field(
        default=None, validation_alias="for", description="How long it must hold, if not the rule's `for`."
    )
    keep_firing_for_s: Duration | None = Field(
        default=None,
        validation_alias="keep_firing_for",
        description="How long it is held, if not the rule's `keep_firing_for`.",
    )
    params: dict[str, object] | None = Field(
        default=None, description="The detector's settings for this level, instead of the rule's `params`."
    )


_Level = Annotated[FileLevel, BeforeValidator(level_shorthand, json_schema_input_type=str | float | FileLevel)]


class FileLevels(Section):
    """Levels of a rule; at least one."""

    info: _Level | None = Field(default=None, description="The mildest level.")
    warning: _Level | None = Field(default=None, description="The middle level.")
    critical: _Level | None = Field(default=None, description="The worst level.")


class FileClear(Section):
    """Where each level clears."""

    info: LevelAt | None = Field(default=None, description="Where `info` clears.")
    warning: LevelAt | None = Field(default=None, description="Where `warning` clears.")
    critical: LevelAt | None = Field(default=None, description="Where `critical` clears.")


class FileRule(Section):
    """One alert: which series, which detector, from where on."""

    name: str = Field(
        min_length=1,
        max_length=200,
        description="The alert's name (`alertname`), once in the file. It is part of alert ids.",
    )
    match: Match = Field(
        description='Which series: a PromQL selector such as `cpu_usage{host=~"web-.*"}`; its regular expressions '
        "are RE2 and match the whole label. `{}` is every series."
    )
    preset: str | None = Field(
        default=None,
        description="Kind of metric: brings detector, levels and timers, as docs/detectors.md lists. What the rule "
        "writes itself stands over it.",
        json_schema_extra={"enum": list(PRESETS)},
    )
    group_by: tuple[str, ...] | None = Field(
        default=None,
        max_length=20,
        description="For detectors of groups: the series that agree in these labels are judged together, under one "
        "alert. `[]`: all that match.",
    )
    align_s: Duration = Field(
        default=60.0,
        gt=0,
        validation_alias="align",
        description="With `group_by`: width of the buckets of event time in which the members meet; as wide as the "
        "time between their values, or wider.",
    )
    detector: str | None = Field(default=None, description="Detector of the levels that don't name their own.")
    params: dict[str, object] | None = Field(
        default=None, description="Settings of `detector`; docs/detectors.md has each detector's."
    )
    levels: FileLevels | None = Field(
        default=None,
        description="Where each level opens. Left out with a detector that scores: `{warning: 1.0}`.",
    )
    clear: FileClear | None = Field(default=None, description="Where each level clears, if not where it opened.")
    for_s: Duration = Field(
        default=0.0, validation_alias="for", description="How long a level must hold, in event time, before it fires."
    )
    keep_firing_for_s: Duration = Field(
        default=0.0,
        validation_alias="keep_firing_for",
        description="How long, in event time, an alert is held after it cleared.",
    )
    labels: dict[str, str] = Field(default_factory=dict, description="Labels added to the alert, for routing.")
    annotations: dict[str, str] = Field(
        default_factory=dict, description="Texts added to the alert, such as `summary` or `runbook_url`."
    )
    stale_after_s: Duration | None = Field(
        default=None, gt=0, validation_alias="stale_after", description="As `limits.stale_after`, for this rule."
    )
    back_off: bool | None = Field(
        default=None,
        description="Whether an alert that opens again and again waits longer each time before it may open (30 to 500 "
        "values; twice as bad as last told never waits). Left out: `true` where levels are scores.",
    )
    budget_a_day: Budget | None = Field(
        default=None,
        validation_alias="budget",
        description="How many alerts this rule may open, over all its series: `10/day`, `2/hour`, `1/week`. Scores' "
        "borders rise, up to 4 times, so that noise stays inside it.",
    )


class Common(Section):
    """What file and program have in common."""

    version: Literal[1] = Field(default=1, description="Version of this format.")
    kafka: Kafka = Field(default_factory=Kafka, description="Where Kafka is.")
    inputs: tuple[Input, ...] = Field(
        default=(Input(),), min_length=1, max_length=100, description="Topics that metrics come from."
    )
    topics: Topics = Field(default_factory=Topics, description="Names of the other topics.")
    snapshots: Snapshots = Field(default_factory=Snapshots, description="Where detector state is kept.")
    limits: Limits = Field(default_factory=Limits, description="Bounds on memory and time.")


class FileConfig(Common):
    """What a worker reads of the file."""

    rules: tuple[FileRule, ...] = Field(min_length=1, max_length=10_000, description="What to alert on; at least one.")


class DeskFileConfig(FileConfig):
    """The same where nobody watches anything: the desk's commands need no rules."""

    rules: tuple[FileRule, ...] = Field(default=(), max_length=10_000, description="What to alert on.")


class WholeFile(OwnPart, AlertmanagerPart, FileConfig):
    """The file as written. Alertmanager's keys have Alertmanager's shape."""

    include: tuple[str, ...] = Field(
        default=(), max_length=100, description="Further files, beside this one: what stands there counts as if here."
    )


class Config(Common):
    """A checked config: rules and desk resolved. warnings: what is right as it is, but a person should know.

    rules_at: without a message.
    """

    rules: tuple[InstanceOf[Rule], ...] = Field(default=(), description="What to alert on.")
    desk: InstanceOf[Desk] = Field(default_factory=desk_without_route, description="Whom to tell, how, and when not.")
    warnings: tuple[InstanceOf[ConfigError], ...] = Field(default=(), description="What a person should know.")
    rules_at: tuple[InstanceOf[ConfigError], ...] = Field(default=(), description="Where each rule stands.")
