"""What the documents say is so: commands, configs, metrics and links are the ones there are."""

import asyncio
import re
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import typer.main
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from pipeline.app import Pipeline
from pipeline.cli import app
from pipeline.config import read_config
from pipeline.desk.courier import Courier
from pipeline.desk.database import Database
from pipeline.desk.feed import Feed
from pipeline.desk.http import app as app_of_desk
from pipeline.desk.incidents.change_feed import ChangeFeed
from pipeline.desk.incidents.publishing import Publisher
from pipeline.desk.kafka_sender import KafkaSender
from pipeline.desk.senders import Senders
from pipeline.metrics import registry
from pipeline.snapshots.folder import FolderStore
from tests.engine.streams import config

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TO_COME = {"gateway", "backtest", "tune"}


def commands() -> dict[str, set[str]]:
    """Command -> its sub-commands."""
    top = typer.main.get_command(app)
    found: dict[str, set[str]] = {}
    for name, command in getattr(top, "commands", {}).items():
        found[name] = set(getattr(command, "commands", {}))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_documents_exist(page: Path) -> None:
    known = commands()
    for name, second in re.findall(r"(?:^|`|&& )tidegauge ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", page.read_text(), re.M):
        assert name in known or name in TO_COME, f"tidegauge {name}"
        if known.get(name) and second:
            assert second in known[name], f"tidegauge {name} {second}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", ["README.md", "docs/desk.md"])
def test_the_configs_in_documents_check_clean(page: str, tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(), re.S)
    assert blocks
    for block in blocks:
        if block.startswith("# prometheus.yml"):
            continue
        path = tmp_path / "tidegauge.yaml"
        path.write_text(block)
        assert read_config(path).rules


def test_make_targets_in_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text()):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_every_metric_has_its_line_and_every_line_its_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    pipeline = Pipeline(config(), FolderStore(tmp_path / "state", "g"))
    exported = names_in(generate_latest(registry(pipeline))) | names_in(desk_metrics(tmp_path))
    documented = set(re.findall(r"^\| `(tidegauge_\w+)` \|", (ROOT / "docs/metrics.md").read_text(), re.M))
    assert documented == exported


def names_in(text: bytes) -> set[str]:
    families = text_string_to_metric_families(text.decode())
    names = {f"{f.name}_total" if f.type == "counter" else f.name for f in families}
    return {name for name in names if not name.endswith("_created")}  # the client's own, beside each histogram


def desk_metrics(folder: Path) -> bytes:
    """Of a desk with nothing to do."""

    async def asked(app: Starlette) -> bytes:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8470") as client:
            return (await client.get("/metrics")).content

    desk = config().desk
    with closing(Database.open(f"sqlite:///{folder / 'desk.db'}")) as db:
        courier = Courier(db, desk, Senders("127.0.0.1:9"), time.time)
        feed = Feed(db, desk, "127.0.0.1:9", "alerts", "g", time.time)
        changes = ChangeFeed(db, desk, "127.0.0.1:9", "changes", "g", time.time)
        publisher = Publisher(db, KafkaSender("127.0.0.1:9"), "incidents", "tidegauge/g", time.time)
        made = app_of_desk(db, desk, time.time, courier=courier, feed=feed, changes=changes, publisher=publisher)
        return asyncio.run(asked(made))
