"""What a desk won't find is told before the first alert."""

from pathlib import Path

import pytest

from pipeline.config import read_config
from pipeline.desk.missing import missing

CONFIG = """
route: {receiver: chat, routes: [{receiver: nobody, matchers: [a=b]}]}
receivers:
  - name: chat
    slack_configs: [{api_url: "${env:NO_SUCH_ADDRESS}", channel: x}, {api_url_file: FILE, channel: x}]
  - name: nobody
  - name: unused
"""


def test_secrets_that_cant_be_read_and_receivers_that_tell_nobody_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "address"
    path = tmp_path / "desk.yaml"
    path.write_text(CONFIG.replace("FILE", str(file)))
    found = list(missing(read_config(path, need_rules=False).desk))
    assert [line.partition(": ")[0] for line in found] == [
        "receiver chat/slack[0]",
        "receiver chat/slack[1]",
        "receiver nobody",
    ]
    assert "NO_SUCH_ADDRESS" in found[0]
    file.write_text("https://hooks.example/x\n")
    monkeypatch.setenv("NO_SUCH_ADDRESS", "https://hooks.example/y")
    assert [line.partition(": ")[0] for line in missing(read_config(path, need_rules=False).desk)] == [
        "receiver nobody"
    ]


def test_secrets_of_hooks_and_of_remedies_that_may_act_are_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "desk.yaml"
    path.write_text("""
route: {receiver: chat}
receivers: [{name: chat}]
escalation: {hooks: {slack_signing_secret: "${env:NO_SUCH_SIGNATURE}"}}
automation:
  mode: auto
  remedies:
    - {name: drain, matchers: [a=b], command: {argv: [/bin/true], secrets: {KEY: "${env:NO_SUCH_KEY}"}}}
    - {name: call, matchers: [a=b], webhook: {url: "https://x.example/", secret_file: /no/such/file}}
    - {name: idle, mode: "off", matchers: [a=b], webhook: {url: "${env:NO_SUCH_ADDRESS}"}}
""")
    found = [line for line in missing(read_config(path, need_rules=False).desk) if not line.startswith("receiver ")]
    named = [
        "escalation.hooks.slack_signing_secret",
        "remedy drain: command.secrets.KEY",
        "remedy call: webhook.secret_file",
    ]
    assert [line.startswith(f"{name}: ") for line, name in zip(found, named, strict=True)] == [True] * 3
