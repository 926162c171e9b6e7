"""A verdict on an incident reaches the detectors of its alerts: once, at last, and only those that learn from it."""

from collections.abc import Callable
from functools import partial

import msgspec
import pytest
from sqlalchemy import select

from incidents.lifecycle import Refused
from pipeline.desk import intake, keep, tables
from pipeline.desk.database import Database
from pipeline.desk.external import External
from pipeline.desk.incidents import controls
from schemas.alert import AlertEvent, alert_id
from schemas.control import Control
from schemas.metric import Series
from tests.triage.scene import START_S, Triage, critical, desk_of


def of_a_series(name: str, detector: str = "baseline") -> AlertEvent:
    """Whose labels tell its series."""
    series = Series("latency", (("host", name),))
    labels = {"alertname": "Latency", "metric": "latency", "host": name}
    made = msgspec.structs.replace(critical(name), labels=labels, fingerprint=f"fingerprint-{name}", detector=detector)
    return msgspec.structs.replace(made, id=alert_id("Latency", series, START_S))


class Kafka:
    """Has what it took. Away while it is told so."""

    def __init__(self) -> None:
        self.has: list[Control] = []
        self.is_away = False

    def publish(self, control: Control) -> str | None:
        if self.is_away:
            return "Kafka at nowhere: no answer"
        self.has.append(control)
        return None


@pytest.fixture
def kafka_double() -> Kafka:
    return Kafka()


@pytest.fixture
def scene(db: Database) -> Triage:
    made = Triage(db, desk_of())
    made.take(of_a_series("a"), of_a_series("b"), of_a_series("c", "threshold"))
    made.wait()
    return made


@pytest.fixture
def sends(scene: Triage, kafka_double: Kafka) -> Callable[[], int]:
    return lambda: controls.step(scene.db, kafka_double.publish, scene.now_s)


def test_a_false_alarm_is_told_to_each_series_that_learns_and_said_of_the_others(
    scene: Triage, sends: Callable[[], int], kafka_double: Kafka
) -> None:
    made, lines = scene.says("verdict", "false", note="a load test")
    assert made.verdict == "false_positive"
    assert sorted(line.split(": ", 1)[1] for line in lines) == [
        'noise: Latency on latency{host="a"}',
        'noise: Latency on latency{host="b"}',
        "rule Latency: threshold learns nothing from what people say; you wrote its borders yourself: change them "
        "under levels",
    ]
    assert sends() == 2
    assert sends() == 0
    told = {(one.verdict, one.undo, one.metric, one.labels["host"], one.by, one.note) for one in kafka_double.has}
    assert told == {("noise", False, "latency", host, "ann", "a load test") for host in "ab"}
    (entry,) = [one for one in scene.entries() if one.what == "verdict"]
    assert entry.text == "a false positive: no alert was due, says ann: a load test"
    assert entry.details == {"verdict": "false_positive", "feedback": lines}


@pytest.mark.parametrize(("word", "verdict"), [("true", "true_positive"), ("none", "")])
def test_another_word_takes_it_back(
    scene: Triage, sends: Callable[[], int], kafka_double: Kafka, word: str, verdict: str
) -> None:
    scene.says("verdict", "false")
    sends()
    said = {one.id for one in kafka_double.has}
    scene.wait()
    made, lines = scene.says("verdict", word)
    assert (made.verdict, len(lines)) == (verdict, 2)
    sends()
    assert {one.undo for one in kafka_double.has[2:]} == said
    assert len({one.id for one in kafka_double.has}) == 4
    scene.says("verdict", "false")
    sends()
    assert len({one.id for one in kafka_double.has}) == 6


def test_true_alone_tells_nobody_and_the_same_twice_is_refused(scene: Triage) -> None:
    assert scene.says("verdict", "true")[1] == []
    with pytest.raises(Refused, match="that is its verdict already"):
        scene.says("verdict", "true")
    assert scene.db.read(controls.listed) == []


def test_while_kafka_is_away_they_wait_and_go_in_their_order(
    scene: Triage, sends: Callable[[], int], kafka_double: Kafka
) -> None:
    kafka_double.is_away = True
    scene.says("verdict", "false")
    assert sends() == 0
    waiting = scene.db.read(controls.listed)
    assert [(one.is_sent, one.attempts) for one in waiting] in ([(False, 1), (False, 0)], [(False, 0), (False, 1)])
    assert {one.note for one in waiting} == {"", "Kafka at nowhere: no answer"}
    keep.forget(scene.db, 0.5, scene.now_s + 86_400.0)  # what waits stays
    assert len(scene.db.read(controls.listed)) == 2
    kafka_double.is_away = False
    scene.now_s += 3600.0
    assert sends() == 2
    assert all(one.is_sent for one in scene.db.read(controls.listed))


def test_one_alert_is_judged_by_itself(scene: Triage) -> None:
    alert = of_a_series("a")
    say = partial(controls.give, episode=alert.id, by="ann", note="", now_s=scene.now_s)
    made = scene.db.write(lambda conn: say(conn, "normal"))
    assert made.alert_id == alert.id
    with pytest.raises(LookupError, match="normal was said already, by ann"):
        scene.db.write(lambda conn: say(conn, "normal"))
    with pytest.raises(LookupError, match="no alert nothing"):
        scene.db.write(lambda conn: controls.give(conn, "noise", "nothing", "ann", "", scene.now_s))
    assert scene.db.write(lambda conn: controls.take_back(conn, [alert.id, "x"], "ann", "", scene.now_s))
    assert scene.db.read(partial(controls.active, episode=alert.id)) is None


def test_alerts_of_others_have_nobody_to_learn(scene: Triage) -> None:
    other = External(labels={"alertname": "Disk"}, annotations={}, starts_at_s=START_S, ends_at_s=None, origin="api")
    scene.db.write(lambda conn: intake.take_external(conn, [other], scene.desk, scene.now_s))
    asked = select(tables.alerts.c.episode).where(tables.alerts.c.origin == "api")
    episode = scene.db.read(lambda conn: conn.execute(asked).scalar_one())
    with pytest.raises(LookupError, match="isn't from one of our detectors"):
        scene.db.write(lambda conn: controls.give(conn, "noise", episode, "ann", "", scene.now_s))
