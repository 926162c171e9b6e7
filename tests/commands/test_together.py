"""Processes that live and end together, as `tidegauge up` starts them."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.commands.together import together

STAYS = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit({code})); open({path!r}, 'w'); time.sleep(60)"
MAIN = "import sys; from pipeline.commands.together import together; sys.exit(together({commands!r}))"


def stays(path: Path, code: int = 0) -> list[str]:
    """Until it is told to end; makes a file when it is ready."""
    return [sys.executable, "-c", STAYS.format(code=code, path=str(path))]


@pytest.mark.parametrize(("code", "told"), [(3, 3), (0, 1)])
def test_where_one_ends_by_itself_all_end_and_it_is_a_failure(
    code: int, told: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = (
        f"import os, sys, time\nwhile not os.path.exists({str(tmp_path / 'a')!r}): time.sleep(0.01)\nsys.exit({code})"
    )
    began_s = time.monotonic()
    assert together({"stays": stays(tmp_path / "a"), "ends": [sys.executable, "-c", ends]}) == told
    assert time.monotonic() - began_s < 30
    assert f"ends ended with {code}" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("code", [0, 5])
def test_told_to_end_all_are_told_and_the_worst_code_is_ours(number: int, code: int, tmp_path: Path) -> None:
    commands = {"a": stays(tmp_path / "a"), "b": stays(tmp_path / "b", code)}
    with subprocess.Popen([sys.executable, "-c", MAIN.format(commands=commands)]) as ours:
        while not ((tmp_path / "a").exists() and (tmp_path / "b").exists()):
            assert ours.poll() is None
            time.sleep(0.01)
        ours.send_signal(number)
        assert ours.wait(30) == code
