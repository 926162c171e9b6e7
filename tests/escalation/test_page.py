"""The page shows the table by which policies work, and its config is right. `python -m tests.escalation.test_page`."""

import re
from pathlib import Path

import pytest

from incidents.escalation import ACTS, STAGES, TABLE, diagram
from pipeline.config import read_config

PAGE = Path(__file__).resolve().parents[2] / "docs" / "escalation.md"
_PLACE = re.compile(r"(<!-- stages -->\n).*?(<!-- end of stages -->)", re.S)


def drawn(page: str) -> str:
    return _PLACE.sub(lambda found: f"{found[1]}```mermaid\n{diagram()}\n```\n{found[2]}", page)


def test_the_picture_is_the_table() -> None:
    assert PAGE.read_text() == drawn(PAGE.read_text())


def test_every_stage_and_every_act_that_does_something_is_in_the_picture() -> None:
    picture = diagram()
    does_something = {
        act for rules in TABLE.values() for act, rule in rules.items() if rule.does not in ("stay", "go on")
    }
    assert all(stage in picture for stage in STAGES)
    assert all(act in picture for act in does_something)
    assert does_something <= set(ACTS)


def test_the_pages_config_checks_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)
    file = tmp_path / "tidegauge.yaml"
    file.write_text(example)
    policy = read_config(file).desk.response.escalation.policies["devops"]
    assert (len(policy.steps), policy.steps[2].unless, policy.ack_expires_s) == (4, "resolved", 1800.0)


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
