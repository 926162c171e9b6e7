"""The stories that people watch, told to their end on a real broker."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]


def told(kafka: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, "KAFKA_BOOTSTRAP": kafka},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_errors_in_checkout_become_an_incident_that_ends_with_a_review(kafka: str) -> None:
    shown = told(kafka, "examples.stories.checkout")
    assert "# Review of INC-1" in shown


def test_a_cpu_above_its_limit_is_scaled_and_its_metric_says_that_it_helped(kafka: str) -> None:
    shown = told(kafka, "examples.stories.scaling")
    assert "the metric says that it helped" in shown
    assert "devops hears" not in shown


def test_where_scaling_fails_devops_is_paged_with_what_was_tried(kafka: str) -> None:
    shown = told(kafka, "examples.stories.scaling", "--fail")
    assert "devops hears" in shown
    assert "403" in shown
