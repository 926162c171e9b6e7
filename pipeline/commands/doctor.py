"""`tidegauge doctor`: is everything there that a worker needs? Looks, changes nothing, says what would mend it."""

import importlib.util
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import typer
from kafka import KafkaAdminClient, KafkaConsumer, codec
from kafka.errors import KafkaError
from rich.text import Text

from pipeline.broker import BrokerError
from pipeline.broker.compose import engine_works
from pipeline.broker.java import find_java, find_maven
from pipeline.broker.probe import reachable
from pipeline.commands.clients import assign_whole, consumer, place, quiet, words_of
from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, AsJson, ConfigPath, out
from pipeline.commands.rendering import plain
from pipeline.config import read_config
from pipeline.topics import TopicsError, ensure_topics
from schemas.config import Config, ConfigErrors, Input
from schemas.duration import format_duration

State = Literal["ok", "warn", "fail"]
_STYLES: dict[State, str] = {"ok": "green", "warn": "bold yellow", "fail": "bold red"}
_OLDEST_BROKER = (2, 1)  # zstd and the record format that all clients here write
_TIMEOUT_MS = 5_000
_SKEW_S = 5.0
_FILES_MIN = 1024
_RECENT_S = 86_400.0  # a dead letter as young is somebody's today


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. mend: what to do, where `state` isn't ok."""

    what: str
    state: State
    seen: str
    mend: str = ""


def doctor(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Look at config, Kafka, topics, codecs and clocks, and say what to mend. Exit 1 where something fails."""
    quiet()
    findings = []
    for finding in _examine(config):
        findings.append(finding)
        if not as_json:
            out().print(_line(finding))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(PROBLEMS)


def _line(finding: Finding) -> Text:
    line = Text(f"{finding.state:>4}  ", _STYLES[finding.state])
    line.append(f"{finding.what}: ", "bold").append(plain(finding.seen), "default")
    for words in finding.mend.splitlines():
        line.append(f"\n      {plain(words)}", "default")
    return line


def _examine(path: Path) -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield from _codecs()
    yield _open_files()
    config: Config | None = None
    try:
        config = read_config(path, need_rules=False)
        rules = f"{len(config.rules)} rules" if config.rules else "no rules: enough for a desk, not for a worker"
        yield Finding("config", "ok", f"{path}: {rules}")
    except ConfigErrors as errors:
        if path != DEFAULT_CONFIG or path.exists():
            yield Finding("config", "fail", str(errors).replace("\n", " | "), f"correct {path}")
            return
        yield Finding("config", "warn", f"there is no {path}: looking with defaults", "name one with -c")
    where = place(path)
    version = _version(where.bootstrap)
    if version is None:
        yield Finding("broker", "fail", f"no Kafka answers at {where.bootstrap}", "`tidegauge broker start` starts one")
        yield from _means_to_start()
        return
    yield _broker(where.bootstrap, version)
    if config is None:
        # Nobody has said yet whether the inputs are keyed: whatever they are, it is no fault.
        config = Config.model_construct(inputs=(Input(keyed_by_series=True),), topics=where.topics)
    yield from _topics(where.bootstrap, config)
    topics = [source.topic for source in where.inputs]
    yield from _clocks(where.bootstrap, topics)
    yield from _lag(where.bootstrap, config.kafka.group, topics)
    yield from _dead_letters(where.bootstrap, where.topics.dead_letters)


def _codecs() -> Iterator[Finding]:
    """Workers decompress with aiokafka by way of cramjam, these commands with kafka-python's own choice."""
    there = {"gzip": codec.has_gzip(), "snappy": codec.has_snappy(), "lz4": codec.has_lz4(), "zstd": codec.has_zstd()}
    there["cramjam"] = importlib.util.find_spec("cramjam") is not None
    missing = [name for name, usable in there.items() if not usable]
    mend = "install tidegauge again; it needs aiokafka[snappy,lz4,zstd] and kafka-python[snappy,lz4,zstd]"
    if missing:
        yield Finding("codecs", "fail", f"not usable: {', '.join(missing)}; such records end a worker", mend)
    else:
        yield Finding("codecs", "ok", "gzip, snappy, lz4, zstd")


def _open_files() -> Finding:
    if os.name != "posix":
        return Finding("open files", "ok", "no limit known")
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = soft == resource.RLIM_INFINITY or soft >= _FILES_MIN
    return Finding("open files", "ok" if enough else "warn", f"at most {soft}", "" if enough else "ulimit -n 4096")


def _version(bootstrap: str) -> tuple[int, ...] | None:
    """None: no broker answers."""
    if not reachable(bootstrap, _TIMEOUT_MS / 1000):
        return None
    try:
        with closing(_admin(bootstrap)) as admin:
            brokers = admin.describe_cluster()["brokers"]
            return min(tuple(admin.get_broker_version_data(one["broker_id"]).broker_version) for one in brokers)
    except KafkaError:
        return None


def _broker(bootstrap: str, version: tuple[int, ...]) -> Finding:
    seen = f"Kafka {'.'.join(map(str, version))} at {bootstrap}"
    if version < _OLDEST_BROKER:
        return Finding("broker", "fail", seen, f"at least {'.'.join(map(str, _OLDEST_BROKER))} is needed")
    return Finding("broker", "ok", seen)


def _topics(bootstrap: str, config: Config) -> Iterator[Finding]:
    try:
        outcomes = ensure_topics(bootstrap, config, dry_run=True, timeout_s=_TIMEOUT_MS / 1000)
    except TopicsError as error:
        yield Finding("topics", "fail", str(error), "may this client describe and create topics?")
        return
    for outcome in outcomes:
        what = f"topic {outcome.topic.name}"
        if outcome.what == "missing":
            yield Finding(what, "warn", "missing; a worker creates it when it starts", "or `tidegauge topics create`")
        elif outcome.problem:
            seen, _, mend = outcome.problem.partition(": ")
            yield Finding(what, "fail", seen, mend or "see the broker's log")
        else:
            yield Finding(what, "ok", f"exists, for {outcome.topic.role}")


def _clocks(bootstrap: str, topics: list[str]) -> Iterator[Finding]:
    """Of publishers against ours, by the newest record of each input: all that can be had without writing."""
    try:
        with closing(consumer(bootstrap)) as client:
            for topic in topics:
                newest_s = _newest_s(client, topic) if client.partitions_for_topic(topic) else None
                if newest_s is not None:
                    yield _clock(topic, newest_s - time.time())
    except KafkaError as error:
        yield Finding("clocks", "warn", f"could not be compared: {words_of(error)}", "try again")


def _clock(topic: str, ahead_s: float) -> Finding:
    what = f"clock of {topic}"
    if ahead_s > _SKEW_S:
        seen = f"its newest record is {format_duration(ahead_s)} ahead of this machine's clock"
        return Finding(what, "warn", seen, "let the publishers and this machine synchronise their clocks (NTP)")
    return Finding(what, "ok", f"its newest record is {format_duration(max(0.0, -ahead_s))} old")


def _newest_s(client: KafkaConsumer, topic: str) -> float | None:
    tps = assign_whole(client, topic, "now")
    starts, ends = client.beginning_offsets(tps), client.end_offsets(tps)
    waited_for = {tp for tp in tps if ends[tp] > starts[tp]}
    for tp in waited_for:
        client.seek(tp, ends[tp] - 1)
    newest_ms = -1
    deadline_s = time.monotonic() + _TIMEOUT_MS / 1000
    while waited_for and time.monotonic() < deadline_s:
        for tp, records in client.poll(timeout_ms=500).items():
            waited_for.discard(tp)
            newest_ms = max([newest_ms, *(record.timestamp for record in records)])
    return newest_ms / 1000 if newest_ms >= 0 else None


def _lag(bootstrap: str, group: str, topics: list[str]) -> Iterator[Finding]:
    """How far the workers are behind, by what they committed: up to a snapshot's interval behind what is applied."""
    try:
        with closing(consumer(bootstrap, group)) as client:
            for topic in topics:
                if not client.partitions_for_topic(topic):
                    continue
                tps = assign_whole(client, topic, "now")
                starts, ends = client.beginning_offsets(tps), client.end_offsets(tps)
                committed = {tp: client.committed(tp) for tp in tps}
                untouched = sum(committed[tp] is None and ends[tp] > starts[tp] for tp in tps)
                behind = sum(ends[tp] - max(starts[tp], committed[tp] or 0) for tp in tps)
                yield _lag_of(topic, group, behind, untouched)
    except KafkaError as error:
        yield Finding("lag", "warn", f"could not be read: {words_of(error)}", "try again")


def _lag_of(topic: str, group: str, records: int, untouched: int) -> Finding:
    what = f"lag of {topic}"
    if untouched:
        mend = "is a worker running? as many as there are partitions may share the work"
        return Finding(what, "warn", f"group {group} has committed nothing on {untouched} of its partitions", mend)
    return Finding(what, "ok", f"group {group} has committed all but {records:,} records")


def _dead_letters(bootstrap: str, topic: str) -> Iterator[Finding]:
    """Of all that are kept."""
    try:
        with closing(consumer(bootstrap)) as client:
            if not client.partitions_for_topic(topic):
                return
            tps = assign_whole(client, topic, "now")
            starts, ends = client.beginning_offsets(tps), client.end_offsets(tps)
            count = sum(ends[tp] - starts[tp] for tp in tps)
            newest_s = _newest_s(client, topic) if count else None
    except KafkaError as error:
        yield Finding("dead letters", "warn", f"could not be counted: {words_of(error)}", "try again")
        return
    if newest_s is None:
        yield Finding("dead letters", "ok", "none")
        return
    age_s = max(0.0, time.time() - newest_s)
    seen = f"{count:,} events could not be read, the newest {format_duration(float(round(age_s)))} ago"
    yield Finding(
        "dead letters",
        "warn" if age_s < _RECENT_S else "ok",
        seen,
        "`tidegauge dead-letters list` says which and why" if age_s < _RECENT_S else "",
    )


def _means_to_start() -> Iterator[Finding]:
    """What `tidegauge broker start` would need."""
    if engine_works():
        yield Finding("docker", "ok", "it runs: a local broker can be a container")
        return
    yield Finding("docker", "warn", "doesn't run (`docker info` fails)", "start it, or have Java and Maven")
    for what, find in (("java", find_java), ("maven", find_maven)):
        try:
            yield Finding(what, "ok", find())
        except BrokerError as error:
            seen, _, mend = str(error).partition("\n")
            yield Finding(what, "fail", seen, mend)


def _admin(bootstrap: str) -> KafkaAdminClient:
    return KafkaAdminClient(bootstrap_servers=bootstrap.split(","), bootstrap_timeout_ms=_TIMEOUT_MS)
