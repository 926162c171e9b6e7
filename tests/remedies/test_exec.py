"""Programs that are run for remedies: real processes, on the real clock."""

import asyncio
import sys
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.desk.automation.exec import OUTPUT_BYTES_MAX, run
from pipeline.desk.http_client import NoReply
from schemas.calls import ExecCall, Refused, Reply

PYTHON = sys.executable
HOSTILE = ["; rm -rf /", "$(id)", "`id`", "a\nb", "-rf", "*", "'\"", "| tee x", "ä☃\u202e", "\ud800", "", " "]


def done(*argv: str, timeout_s: float = 10.0, grace_s: float = 0.5, env: dict[str, str] | None = None) -> Reply:
    return asyncio.run(run(ExecCall(argv, env or {}, timeout_s=timeout_s), grace_s))


def script(text: str, *arguments: str, timeout_s: float = 10.0, grace_s: float = 0.5) -> Reply:
    return done(PYTHON, "-I", "-c", text, *arguments, timeout_s=timeout_s, grace_s=grace_s)


def test_its_exit_status_and_all_that_it_wrote_come_back() -> None:
    reply = done("/bin/sh", "-c", "echo out; echo err >&2; exit 3")
    assert (reply.status, reply.body) == (3, b"out\nerr\n")


@pytest.mark.parametrize("hostile", [each for each in HOSTILE if "\ud800" not in each])
def test_no_shell_reads_an_argument(hostile: str) -> None:
    reply = script("import sys; sys.stdout.buffer.write(sys.argv[1].encode())", hostile)
    assert reply.body == hostile.encode()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20), max_size=4))
def test_every_argument_arrives_as_it_is(arguments: list[str]) -> None:
    reply = done("/usr/bin/printf", "%s\\0", *arguments)
    assert reply.body == b"".join(each.encode() + b"\0" for each in arguments or [""])


@pytest.mark.parametrize(
    "argv",
    [(), ("sh",), ("./sh",), ("/no/such/program",), ("/etc/passwd",), ("/bin/echo", "a\0b"), ("/bin/echo", "\ud800")],
)
def test_what_never_started_is_refused(argv: tuple[str, ...]) -> None:
    with pytest.raises(Refused):
        done(*argv)


def test_a_folder_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="can't be started in /no/such/folder"):
        asyncio.run(run(ExecCall(("/bin/true",), folder="/no/such/folder")))


def test_it_inherits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_TOKEN", "hunter2")
    with Path("/etc/hostname").open() as held:
        reply = script(
            "import glob, os\n"
            "print(sorted(os.environ), [os.readlink(f) for f in glob.glob('/proc/self/fd/*') if os.path.exists(f)])\n"
            "print(os.getsid(0) == os.getpid(), os.getcwd())"
        )
        assert not held.closed
    told = reply.body.decode()
    assert "SLACK_TOKEN" not in told
    assert "hostname" not in told
    assert "/dev/null" in told, "nothing to be read from"
    assert "True /" in told, "a session and a folder of its own"


def test_only_what_is_given_is_in_its_environment() -> None:
    assert done("/usr/bin/env", env={"A": "1", "B": "x;y"}).body == b"A=1\nB=x;y\n"


def test_the_end_of_a_long_output_is_kept_and_the_cut_is_told() -> None:
    reply = script("import sys; sys.stdout.write('x' * 5_000_000 + 'THE END')")
    assert reply.body.endswith(b"THE END")
    assert reply.body.startswith(b"[")
    assert b"bytes left out" in reply.body
    assert len(reply.body) < OUTPUT_BYTES_MAX + 100


def test_at_the_time_limit_all_of_it_is_killed_though_it_will_not_go(tmp_path: Path) -> None:
    """It forks a child in its group and one that made a session of its own, and all ignore SIGTERM."""
    pids = tmp_path / "pids"
    stubborn = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "for leaves in (False, True):\n"
        "    if os.fork() == 0:\n"
        "        if leaves: os.setsid()\n"
        "        break\n"
        "open(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\n"
        "time.sleep(60)\n"
    )
    started_s = time.monotonic()
    with pytest.raises(NoReply, match=r"killed after 1 s.*nobody knows how far it came") as failure:
        script(stubborn, str(pids), timeout_s=1.0, grace_s=0.3)
    assert failure.value.is_timeout
    assert time.monotonic() - started_s < 5.0
    numbers = [int(line) for line in pids.read_text().split()]
    assert len(numbers) == 3
    assert not any(_lives(each) for each in numbers)


def test_it_may_tidy_up_before_it_is_killed() -> None:
    text = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('tidied', flush=True), sys.exit(0)))\n"
        "time.sleep(60)"
    )
    with pytest.raises(NoReply, match="tidied"):
        script(text, timeout_s=0.7, grace_s=5.0)


def test_what_it_leaves_behind_ends_with_it_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    started_s = time.monotonic()
    reply = done("/bin/sh", "-c", f"sleep 60 & echo $! > {pid}; echo started")
    assert time.monotonic() - started_s < 5.0
    assert reply.body == b"started\n"
    assert not _lives(int(pid.read_text()))


def test_one_that_a_signal_ended_is_not_known_to_have_failed() -> None:
    with pytest.raises(NoReply, match="ended by SIGKILL"):
        done("/bin/sh", "-c", "kill -9 $$")


def test_it_ends_when_whoever_waits_is_cancelled(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    async def given_up() -> None:
        task = asyncio.create_task(run(ExecCall(("/bin/sh", "-c", f"echo $$ > {pid}; sleep 60"))))
        await asyncio.to_thread(_wait_for, pid)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(given_up())
    assert not _lives(int(pid.read_text()))


def test_nothing_stays_open() -> None:
    before = psutil.Process().num_fds()
    for _ in range(5):
        done("/bin/true")
    assert psutil.Process().num_fds() <= before + 1  # a loop's own


def _wait_for(file: Path) -> None:
    while not file.exists() or not file.read_text():
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    """Whether it runs, a moment later at the latest; a zombie doesn't."""
    for _ in range(50):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
        time.sleep(0.02)
    return True
