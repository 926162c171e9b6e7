"""`tidegauge broker` on this machine, with a real Kafka where one is needed."""

import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import psutil
import pytest
from kafka import KafkaAdminClient
from typer.testing import CliRunner

from pipeline import broker
from pipeline.broker import probe
from pipeline.broker.places import Record, read_record, state_dir, write_record
from pipeline.commands.broker import app


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's brokers is seen or touched. The download cache is shared: it is what it is there for."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)


@pytest.fixture
def fake_kafka() -> Iterator[int]:
    """Port of a server that answers the one question as a Kafka of one broker does."""
    with _server(bytes.fromhex("0000001d 00000007 00000001")) as port:
        yield port


@pytest.mark.kafka
def test_a_broker_is_ready_when_start_returns_and_leaves_nothing_when_ephemeral() -> None:
    port = probe.free_port()
    write_record(
        Record("java", port, str(state_dir(port)), False, "4.1.2", os.getpid())
    )  # stale: the pid isn't a Kafka
    # Two starts at once: one starts, the other finds it.
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: broker.start(port, ephemeral=True, via="java", heap="256m"), range(2)))
    try:
        assert sorted(each.started for each in both) == [False, True]
        assert both[0].pid == both[1].pid
        assert both[0].bootstrap == f"127.0.0.1:{port}"
        with closing(KafkaAdminClient(bootstrap_servers=both[0].bootstrap)) as admin:
            admin.create_topics({"at-once": {"num_partitions": 3}})  # refused while the controller has no broker yet
            assert "at-once" in admin.list_topics()
        now = broker.status(port)
        assert (now.running, now.answers, now.via, now.pid) == (True, True, "java", both[0].pid)
        # It can be reached from this machine only.
        assert _listening_addresses(both[0].pid) == {"127.0.0.1"}
    finally:
        assert broker.stop(port)
    assert now.folder is not None
    assert not Path(now.folder).exists()
    assert not state_dir(port).exists()
    assert not broker.stop(port)
    assert not broker.status(port).running


@pytest.mark.kafka
def test_data_outlive_a_stop_and_a_kill() -> None:
    command = CliRunner()
    port = str(probe.free_port())
    start = ["start", "--port", port, "--via", "java", "--heap", "256m", "--json"]
    try:
        first = json.loads(command.invoke(app, start).stdout)
        with closing(KafkaAdminClient(bootstrap_servers=first["bootstrap"])) as admin:
            admin.create_topics({"kept": {}}, wait_for_metadata=True)
        os.kill(first["pid"], 9)
        again = command.invoke(app, start)
        assert again.exit_code == 0, again.stderr
        second = json.loads(again.stdout)
        assert second["started"]
        assert second["pid"] != first["pid"]
        assert command.invoke(app, ["status", "--port", port]).exit_code == 0
        with closing(KafkaAdminClient(bootstrap_servers=second["bootstrap"])) as admin:
            assert "kept" in admin.list_topics()
    finally:
        stopped = command.invoke(app, ["stop", "--port", port])
    assert (stopped.exit_code, stopped.stdout) == (0, f"Kafka on port {port} stopped\n")
    assert command.invoke(app, ["status", "--port", port]).exit_code == 1


def test_a_pid_that_was_given_to_another_program_is_left_alone() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        try:
            write_record(Record("java", 9999, str(state_dir(9999)), False, "4.1.2", bystander.pid))
            assert not broker.status(9999).running
            assert not broker.stop(9999)
            assert bystander.poll() is None
            assert read_record(9999) is None  # and the stale record is gone
        finally:
            bystander.kill()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "null"])
def test_a_record_that_cannot_be_read_is_no_record(text: str) -> None:
    state_dir(9999).mkdir(parents=True)
    (state_dir(9999) / "broker.json").write_text(text, "utf-8")
    assert not broker.status(9999).running
    assert not broker.stop(9999)


def test_a_taken_port_is_named_with_who_has_it() -> None:
    with _server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        done = CliRunner().invoke(app, ["start", "--port", str(port), "--via", "java"])
    assert done.exit_code == 1
    assert f"port {port} is taken by" in done.stderr
    assert f"(pid {os.getpid()})" in done.stderr
    assert f"--port {port + 1}" in done.stderr


def test_a_kafka_that_is_not_ours_is_recognised_and_never_stopped(fake_kafka: int) -> None:
    with pytest.raises(broker.BrokerError, match=rf"export KAFKA_BOOTSTRAP=127\.0\.0\.1:{fake_kafka}"):
        broker.start(fake_kafka, via="java")
    assert not broker.stop(fake_kafka)
    now = broker.status(fake_kafka)
    assert (now.running, now.answers, now.via) == (False, True, None)


def test_kafka_bootstrap_means_use_that_one(fake_kafka: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", f"127.0.0.1:1,127.0.0.1:{fake_kafka}")
    monkeypatch.setenv("PATH", "")  # nothing could be started
    said: list[str] = []
    found = broker.start(say=said.append)
    assert (found.bootstrap, found.via, found.started) == (f"127.0.0.1:1,127.0.0.1:{fake_kafka}", "outside", False)
    assert "KAFKA_BOOTSTRAP" in said[0]
    assert broker.status().answers
    assert not broker.stop(say=said.append)
    assert "not ours to stop" in said[1]
    assert broker.status().answers


def test_an_outside_kafka_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "127.0.0.1:1")
    done = CliRunner().invoke(app, ["status"])
    assert (done.exit_code, done.stdout) == (1, "KAFKA_BOOTSTRAP names 127.0.0.1:1: it does not answer\n")


@pytest.mark.parametrize(
    ("java", "told"),
    [
        (None, "needs a JDK (Java 17 or newer): none is on PATH"),
        ("echo 'openjdk version \"11.0.2\"' >&2", "is Java 11"),
        ("echo 'java version \"1.8.0_402\"' >&2", "is Java 8"),
        ("exit 1", "of an unknown version"),
        ("echo 'openjdk version \"21\"' >&2", "needs Maven (to download Kafka once): no mvn is on PATH"),
    ],
)
def test_what_is_missing_comes_with_the_line_that_mends_it(
    java: str | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    if java is not None:
        _program(tmp_path / "bin" / "java", f"#!/bin/sh\n{java}\n")
    done = CliRunner().invoke(app, ["start", "--port", str(probe.free_port()), "--via", "java"])
    assert done.exit_code == 1
    assert told in done.stderr
    assert "sudo apt-get install -y openjdk-" in done.stderr


def test_a_kafka_that_ends_while_it_starts_is_reported_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = """\
        #!/bin/sh
        case "$*" in
        *-version) echo 'openjdk version "17.0.1"' >&2 ;;
        *StorageTool*) exit 0 ;;
        *) echo 'no space left on device'; exit 3 ;;
        esac
        """
    _program(tmp_path / "java17" / "bin" / "java", java)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java17"))
    monkeypatch.setattr("pipeline.broker.node.kafka_jars", lambda say: tmp_path)
    port = probe.free_port()
    with pytest.raises(broker.BrokerError, match=r"(?s)ended while it started.*no space left on device"):
        broker.start(port, via="java")
    assert read_record(port) is None


def test_where_docker_works_compose_runs_the_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is played by a script: `up` starts a server that answers, `down` ends it."""
    docker = f"""\
        #!{sys.executable}
        import json, os, subprocess, sys
        with open({str(tmp_path / "calls")!r}, "a") as calls:
            calls.write(json.dumps(sys.argv[1:]) + "\\n")
        if "up" in sys.argv:
            server = '''import os, socket
        with socket.create_server(("127.0.0.1", int(os.environ["TIDEGAUGE_BROKER_PORT"]))) as server:
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(bytes.fromhex("0000001d0000000700000001"))'''
            process = subprocess.Popen([sys.executable, "-c", server], start_new_session=True)
            with open({str(tmp_path / "pid")!r}, "w") as pid:
                pid.write(str(process.pid))
        if "down" in sys.argv:
            with open({str(tmp_path / "pid")!r}) as pid:
                os.kill(int(pid.read()), 9)
        """
    _program(tmp_path / "bin" / "docker", docker)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # no Java either
    port = probe.free_port()
    started = broker.start(port, ephemeral=True)
    try:
        assert (started.via, started.started, started.pid) == ("docker", True, None)
        assert broker.status(port).answers
        assert not broker.start(port).started
    finally:
        assert broker.stop(port)
    assert not broker.status(port).running
    calls = [json.loads(line) for line in (tmp_path / "calls").read_text("utf-8").splitlines()]
    assert calls[:2] == [["info"], ["compose", "version"]]
    project = f"--project-name=tidegauge-broker-{port}"
    assert [call[1] for call in calls[2:]] == [project, project]
    assert calls[2][3] == "up"
    assert calls[3][3:] == ["down", "--volumes"]


def test_a_docker_client_without_its_daemon_is_no_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "bin" / "docker", "#!/bin/sh\nexit 1\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(broker.BrokerError, match="JDK"):
        broker.start(probe.free_port())


@pytest.mark.parametrize("heap", ["", "512", "512mb", "-1m", "1g -XX:X"])
def test_a_heap_is_written_as_java_does(heap: str) -> None:
    with pytest.raises(broker.BrokerError, match='"512m"'):
        broker.start(heap=heap)


@pytest.mark.parametrize("reply", [b"", b"\0\0\0\x1d\0\0\0\7\0\0\0\0", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_only_a_kafka_that_lists_a_broker_answers(reply: bytes) -> None:
    """The second reply is a node whose controller doesn't let it take part yet."""
    with _server(reply) as port:
        assert not probe.answers("127.0.0.1", port, timeout_s=0.3)
    assert not probe.answers("127.0.0.1", port, timeout_s=0.3)


class _server:
    """A TCP server on the loopback address that sends the same reply to whoever says something. Yields its port."""

    def __init__(self, reply: bytes) -> None:
        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                if self.request.recv(1):
                    self.request.sendall(reply)

        self.server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> int:
        self.thread.start()
        return int(self.server.server_address[1])

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), "utf-8")
    path.chmod(0o755)


def _listening_addresses(pid: int | None) -> set[str]:
    connections = psutil.Process(pid).net_connections("tcp")
    addresses = {c.laddr[0] for c in connections if c.status == psutil.CONN_LISTEN and c.laddr}
    return {str(address).removeprefix("::ffff:") for address in addresses}
