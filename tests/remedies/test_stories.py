"""The stories that people watch, told to their end on a real broker."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.kafka
@pytest.mark.timeout(300)
@pytest.mark.parametrize("arguments", [(), ("--fail",)])
def test_a_cpu_above_its_limit_is_scaled_or_somebody_is_paged(kafka: str, arguments: tuple[str, ...]) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "examples.stories.scaling", *arguments],
        cwd=ROOT,
        env={**os.environ, "KAFKA_BOOTSTRAP": kafka},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert ("devops hears" in told.stdout) is bool(arguments), told.stdout
