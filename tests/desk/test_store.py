"""The database itself: its tables, who may open it, its transactions; and the small stores."""

import multiprocessing
import stat
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from alerting.alert import Decision
from alerting.noise.silences import Silence
from pipeline.desk import acks, intake, log, silences, tables
from pipeline.desk.database import Database, DatabaseError
from schemas.matchers import Matchers
from tests.desk.scene import START_S, desk, event

NOW_S = START_S


def add_line(conn: Connection, words: str = "x") -> None:
    log.add(conn, [Decision(at_s=NOW_S, what="received", text=words, episode="e")])


def lines(db: Database) -> list[str]:
    return [decision.text for decision in db.read(lambda conn: log.of(conn, episode="e"))]


# --- tables


def test_migrations_make_exactly_the_tables_that_the_program_uses(db: Database) -> None:
    def differences(conn: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(conn, opts={"compare_type": True}), tables.metadata))

    assert db.read(differences) == []


def test_a_second_open_changes_nothing(db: Database, address: str) -> None:
    db.write(add_line)
    again = Database.open(address)
    assert lines(again) == ["x"]
    again.close()


def _open(address: str, done: "multiprocessing.queues.Queue[str]") -> None:
    try:
        Database.open(address).close()
        done.put("")
    except Exception as error:
        done.put(repr(error))


def test_desks_that_start_at_once_make_the_tables_once(new_address: Callable[[], str]) -> None:
    address = new_address()
    context = multiprocessing.get_context("spawn")
    done: multiprocessing.queues.Queue[str] = context.Queue()
    children = [context.Process(target=_open, args=(address, done)) for _ in range(3)]
    for child in children:
        child.start()
    assert [done.get(timeout=60) for _ in children] == ["", "", ""]
    for child in children:
        child.join(30)


def test_a_database_of_a_newer_program_is_refused_and_left_alone(new_address: Callable[[], str]) -> None:
    address = new_address()
    db = Database.open(address)
    db.write(lambda conn: conn.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(DatabaseError, match=r"made by a newer tidegauge.*9999.*install that one"):
        Database.open(address)
    assert db.read(lambda conn: conn.execute(text("SELECT version_num FROM alembic_version")).scalar()) == "9999"
    db.close()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("sqlite://", "names no file"),
        ("mysql://a@b/c", "not supported"),
        ("state/desk.db", "not an address"),
        ("postgresql://nobody@127.0.0.1:1/none", "can't be opened: .*refused"),
    ],
)
def test_an_address_that_can_not_be_used_says_why(address: str, told: str) -> None:
    with pytest.raises(DatabaseError, match=told):
        Database.open(address, patience_s=0.0)


def test_a_password_is_not_in_the_error() -> None:
    with pytest.raises(DatabaseError) as raised:
        Database.open("postgresql://ann:hunter2@127.0.0.1:1/none", patience_s=0.0)
    assert "hunter2" not in str(raised.value)


def test_the_file_is_for_nobody_but_us(tmp_path: Path) -> None:
    path = tmp_path / "made" / "desk.db"
    database = Database.open(f"sqlite:///{path}")
    database.write(add_line)
    modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert (stat.S_IMODE(path.parent.stat().st_mode), modes) == (0o700, {0o600})
    database.close()


# --- transactions


def test_a_transaction_that_fails_leaves_nothing(db: Database) -> None:
    def half(conn: Connection) -> None:
        add_line(conn)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        db.write(half)
    assert lines(db) == []
    db.write(add_line)
    assert lines(db) == ["x"]


def test_a_reader_can_not_write(db: Database) -> None:
    with pytest.raises(DBAPIError):
        db.read(add_line)


def test_a_reader_sees_one_moment_and_does_not_wait_for_writers(db: Database) -> None:
    def look_twice(conn: Connection) -> tuple[int, int]:
        before = len(log.of(conn, episode="e"))
        writer = threading.Thread(target=db.write, args=(add_line,))
        writer.start()
        writer.join(10)
        return before, len(log.of(conn, episode="e"))

    assert db.read(look_twice) == (0, 0)
    assert lines(db) == ["x"]


def test_writers_of_two_desks_take_turns(db: Database, address: str) -> None:
    """What is read in a transaction stays true until its end: a counter loses no count."""
    other = Database.open(address)

    def count(conn: Connection) -> None:
        found = log.of(conn, episode="e")
        time.sleep(0.002)
        add_line(conn, str(len(found)))

    threads = [
        threading.Thread(target=lambda on: [on.write(count) for _ in range(10)], args=(on,)) for on in (db, other) * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert lines(db) == [str(n) for n in range(40)]
    other.close()


def test_what_passes_is_tried_again(db: Database) -> None:
    tries = []

    def busy_at_first(conn: Connection) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("UPDATE", {}, psycopg.errors.DeadlockDetected())
        return "done"

    assert db.write(busy_at_first) == "done"
    assert len(tries) == 3


def test_a_mistake_is_not_tried_again(db: Database) -> None:
    tries = []

    def wrong(conn: Connection) -> None:
        tries.append(1)
        conn.execute(text("SELECT nonsense FROM nowhere"))

    with pytest.raises(DBAPIError):
        db.write(wrong)
    assert len(tries) == 1


def test_words_that_a_database_can_not_hold_are_shown_as_such(db: Database) -> None:
    db.write(lambda conn: add_line(conn, "a\0b\ud800c"))
    assert lines(db) == ["a\N{REPLACEMENT CHARACTER}b?c"]


def end_connections(db: Database) -> None:
    """As a server does that shuts down."""
    with psycopg.connect(db.url.set(drivername="postgresql").render_as_string(), autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def only_postgres(db: Database) -> None:
    if db.is_sqlite:
        pytest.skip("SQLite has no connections to lose")


@pytest.mark.parametrize("is_writer", [True, False])
def test_a_server_that_vanished_is_noticed_within_half_a_minute(is_writer: bool, db: Database) -> None:
    only_postgres(db)

    def parameters(conn: Connection) -> dict[str, str]:
        found: Any = conn.connection.dbapi_connection
        parameters: dict[str, str] = found.info.get_parameters()
        return parameters

    given = db.write(parameters) if is_writer else db.read(parameters)
    assert int(given["connect_timeout"]) <= 10
    assert int(given["tcp_user_timeout"]) <= 30_000
    keepalives = (int(given[f"keepalives_{name}"]) for name in ("idle", "interval", "count"))
    idle_s, interval_s, count = keepalives
    assert idle_s + interval_s * count <= 30


def test_what_the_address_says_of_the_connection_is_kept_to(new_address: Callable[[], str]) -> None:
    address = new_address()
    if address.startswith("sqlite"):
        pytest.skip("PostgreSQL's own")
    database = Database.open(f"{address}&connect_timeout=33" if "?" in address else f"{address}?connect_timeout=33")
    try:
        with psycopg.connect(database.url.set(drivername="postgresql").render_as_string()) as conn:
            assert conn.info.get_parameters()["connect_timeout"] == "33"
        found: Any = database.read(lambda conn: conn.connection.dbapi_connection)
        assert found.info.get_parameters()["connect_timeout"] == "33"
    finally:
        database.close()


def test_connections_that_the_server_ended_are_made_anew(db: Database) -> None:
    only_postgres(db)
    db.write(add_line)
    end_connections(db)
    db.write(add_line)
    end_connections(db)
    assert lines(db) == ["x", "x"]


def test_a_transaction_that_lost_its_server_is_done_again(db: Database) -> None:
    only_postgres(db)
    tries = []

    def lose_it_once(conn: Connection) -> None:
        tries.append(1)
        add_line(conn)
        if len(tries) == 1:
            end_connections(db)
        add_line(conn)

    db.write(lose_it_once)
    assert (len(tries), lines(db)) == (2, ["x", "x"])


def test_where_a_commit_was_lost_nothing_is_done_again_as_it_may_hold(db: Database) -> None:
    only_postgres(db)
    tries = []

    def lose_the_commit(conn: Connection) -> None:
        tries.append(1)
        add_line(conn)
        end_connections(db)

    with pytest.raises(DBAPIError):
        db.write(lose_the_commit)
    assert len(tries) == 1


# --- silences, acknowledgements, the log


def silence(id: str = "s", starts_s: float = NOW_S, ends_s: float = NOW_S + 100) -> Silence:
    return Silence(id, Matchers.parse('a="b",c!~"d.*"'), starts_s, ends_s, "ann", "moving", NOW_S, {"ticket": "7"})


def test_a_silence_is_as_it_was_put(db: Database) -> None:
    db.write(lambda conn: silences.put(conn, silence()))
    assert db.read(lambda conn: silences.get(conn, "s")) == silence()
    assert db.read(lambda conn: silences.get(conn, "t")) is None
    assert db.read(lambda conn: silences.listed(conn, NOW_S + 99)) == [silence()]
    assert db.read(lambda conn: silences.listed(conn, NOW_S + 100)) == []


def test_an_expired_silence_is_over_at_once_and_stays_so(db: Database) -> None:
    db.write(lambda conn: silences.put(conn, silence()))
    assert db.write(lambda conn: silences.expire(conn, "s", NOW_S + 10))
    assert db.write(lambda conn: silences.expire(conn, "s", NOW_S + 20))
    found = db.read(lambda conn: silences.get(conn, "s"))
    assert found is not None
    assert (found.ends_at_s, found.state(NOW_S + 10)) == (NOW_S + 10, "expired")
    assert not db.write(lambda conn: silences.expire(conn, "t", NOW_S))


def test_one_is_reminded_of_a_silence_once_and_again_when_it_was_prolonged(db: Database) -> None:
    db.write(lambda conn: silences.put(conn, silence()))
    assert db.read(lambda conn: silences.not_reminded(conn, NOW_S)) == [silence()]
    db.write(lambda conn: silences.reminded(conn, ["s"], NOW_S))
    assert db.read(lambda conn: silences.not_reminded(conn, NOW_S)) == []
    db.write(lambda conn: silences.put(conn, silence(ends_s=NOW_S + 500)))
    assert len(db.read(lambda conn: silences.not_reminded(conn, NOW_S))) == 1


def test_an_acknowledgement_holds_until_it_ends_or_is_withdrawn(db: Database) -> None:
    one = event()
    db.write(lambda conn: intake.take(conn, [one], {}, desk(), NOW_S))
    db.write(lambda conn: acks.acknowledge(conn, one.id, "ann", "on it", NOW_S + 50, NOW_S))
    assert db.read(lambda conn: acks.acknowledged(conn, NOW_S + 49)) == {one.id}
    assert db.read(lambda conn: acks.acknowledged(conn, NOW_S + 50)) == frozenset()
    db.write(lambda conn: acks.acknowledge(conn, one.id, "bob", "", None, NOW_S))
    (ack,) = db.read(lambda conn: acks.listed(conn, NOW_S + 1e9))
    assert (ack.by, ack.fingerprint) == ("bob", one.fingerprint)
    assert db.write(lambda conn: acks.withdraw(conn, "acknowledged", one.id, "bob", NOW_S))
    assert not db.write(lambda conn: acks.withdraw(conn, "acknowledged", one.id, "bob", NOW_S))
    assert db.read(acks.listed) == []
    whats = [line.what for line in db.read(lambda conn: log.of(conn, episode=one.id))]
    assert whats.count("acknowledged") == 2
    assert whats[-1] == "not acknowledged"


def test_only_an_alert_that_there_is_can_be_acknowledged(db: Database) -> None:
    with pytest.raises(LookupError, match="no alert with the id"):
        db.write(lambda conn: acks.acknowledge(conn, "f" * 32, "ann", "", None, NOW_S))


def test_an_alert_counts_once_for_what_held_it_back(db: Database) -> None:
    def muted(print_: str, ref: str) -> Decision:
        return Decision(at_s=NOW_S, what="muted", text="", fingerprint=print_, by="silence", ref=ref)

    db.write(lambda conn: log.add(conn, [muted("1", "s"), muted("1", "s"), muted("2", "s"), muted("3", "t")]))
    assert db.read(lambda conn: log.count_muted_by(conn, "silence", "s")) == 2


def test_the_log_keeps_its_order_and_gives_the_newest(db: Database) -> None:
    for n in range(5):
        db.write(partial(add_line, words=str(n)))
    found = db.read(lambda conn: log.of(conn, episode="e", limit=3))
    assert [line.text for line in found] == ["2", "3", "4"]
