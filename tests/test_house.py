"""What holds the checkout together: layers, compose files, locks, Makefile; no trace of a machine in it."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.broker.jars import kafka_version
from pipeline.broker.node import SETTINGS
from pipeline.config import read_config

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "detectors", "alerting", "incidents", "pipeline")
COMPOSE_FILES = ("docker-compose.yml", "pipeline/broker/compose.yml")


def run(*command: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def compose(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / name).read_text("utf-8"))
    return loaded


def shared_files() -> list[Path]:
    """What git has or would take."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


# --- layers


@pytest.mark.parametrize(
    ("file", "line", "kept"),
    [
        ("detectors/x.py", "", True),
        ("detectors/x.py", "import alerting", False),
        ("alerting/x.py", "from detectors.base import Detector", False),
        ("schemas/x.py", "import detectors", False),
        ("detectors/x.py", "import pipeline.broker", False),
        ("alerting/x.py", "import time", False),
        ("schemas/x.py", "from kafka import KafkaProducer", False),
    ],
)
def test_a_folder_imports_only_what_stands_below_it(file: str, line: str, kept: bool, tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / file).write_text(line + "\n", "utf-8")
    code = (
        "import sys; sys.path.insert(0, ''); from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    done = run(sys.executable, "-c", code, "--no-cache", cwd=tmp_path)
    assert (done.returncode == 0) is kept, done.stdout + done.stderr
    if not kept:
        assert file.removesuffix(".py").replace("/", ".") in done.stdout


# --- containers


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_compose_files_follow_the_specification(name: str) -> None:
    done = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", name)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_containers_are_pinned_and_published_on_loopback_only(name: str) -> None:
    for service in compose(name)["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        image, _, tag = service["image"].partition(":")
        assert tag not in ("", "latest")
        assert image == "tidegauge" or (image, tag) == ("apache/kafka", kafka_version())
        assert "healthcheck" in service


def test_both_compose_files_and_the_java_node_run_the_same_kafka() -> None:
    whole, shipped = (compose(name)["services"]["kafka"] for name in COMPOSE_FILES)
    whole.pop("restart")  # one is a service of the machine, the other is started by hand
    assert whole == shipped
    environment = shipped["environment"]
    assert {key: environment["KAFKA_" + key.upper().replace(".", "_")] for key in SETTINGS} == SETTINGS


def test_the_worker_container_reaches_kafka_where_a_config_says() -> None:
    """The worker takes the address from its config alone, and that one was written for this machine."""
    services = compose("docker-compose.yml")["services"]
    assert services["worker"]["network_mode"] == "service:kafka"
    listeners = services["kafka"]["environment"]["KAFKA_LISTENERS"]
    advertised = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    port = "${TIDEGAUGE_BROKER_PORT:-9092}"
    assert f"HOST://:{port}" in listeners
    assert f"HOST://127.0.0.1:{port}" in advertised
    assert services["kafka"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert read_config(ROOT / "examples" / "tidegauge.yaml").kafka.bootstrap == "127.0.0.1:9092"


def test_what_the_worker_container_is_given_exists() -> None:
    worker = compose("docker-compose.yml")["services"]["worker"]
    config = re.search(r":-([^}]+)\}", worker["volumes"][0])
    assert config is not None
    assert (ROOT / config[1]).is_file()
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    let_in = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name
        assert f"!{name}" in let_in, f"{name} is kept out by .dockerignore"


def test_the_image_runs_as_nobody_special_from_hashed_packages() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    users = re.findall(r"^USER (.+)$", text, re.MULTILINE)
    assert users
    assert users[-1] not in ("root", "0")
    for install in re.findall(r"pip install (.*)$", text, re.MULTILINE):
        assert "--require-hashes" in install or "--no-index" in install
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert all(re.fullmatch(r"python:\d+\.\d+-slim-\w+", base) for base in bases)


# --- locks


def test_locks_were_made_from_this_pyproject() -> None:
    done = run(sys.executable, "scripts/lock.py", "--check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-build.lock", "requirements-dev.lock"])
def test_every_locked_package_is_pinned_and_hashed(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    entries = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+(\[[a-z0-9,-]+\])?==\S+ ", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_the_environment_has_what_the_lock_says() -> None:
    """So that a green run speaks for the versions that a user gets; a sample of those that decide."""
    locked = (ROOT / "requirements.lock").read_text("utf-8")
    for package in ("aiokafka", "faust-streaming", "kafka-python", "msgspec", "numba", "pydantic"):
        assert f"{package}=={version(package)} " in locked


# --- nothing of a machine


def test_no_shared_file_names_a_registry_or_a_folder_of_a_machine() -> None:
    """Where packages come from is the business of whoever installs; a lock that names a host fails everywhere else."""
    registries = [
        "pypi|org",
        "pythonhosted|org",
        "maven|org",
        "maven|apache|org",
        "npmjs|org",
        "crates|io",
        "golang|org",
    ]
    hosts = "|".join(name.replace("|", r"\.") for name in registries)
    # Put together, so that this file does not find itself.
    bad = re.compile(rf"\b[\w.-]*\b(?:{hosts})\b|(?<![\w.~-])/(?:work|root|Users|home/\w+)/|/tmp/[a-z]/".encode())
    found = []
    for path in shared_files():
        if path.name == "LICENSE" or path == Path(__file__):
            continue
        data = path.read_bytes()
        if b"\0" in data:
            continue
        for match in bad.finditer(data):
            line = data.count(b"\n", 0, match.start()) + 1
            found.append(f"{path.relative_to(ROOT)}:{line}: {match[0].decode(errors='replace')}")
    assert found == []


# --- make


def test_make_alone_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    targets = set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))
    assert targets == set(phony[1].split())
    assert targets >= {"help", "demo", "test", "check", "bench"}
    for told in (run("make", "help"), run("make")):
        assert set(re.findall(r"^  make ([a-z-]+) +\S", told.stdout, re.MULTILINE)) == targets


def test_make_passes_the_duration_to_the_demo() -> None:
    asked = run("make", "--dry-run", "--assume-old=.venv/.complete", "demo", "DURATION_S=90")
    assert "tidegauge demo --duration-s 90" in asked.stdout
    assert "--duration-s" not in run("make", "--dry-run", "--assume-old=.venv/.complete", "demo").stdout


@pytest.mark.parametrize("script", ["scripts/prerequisites.sh", ".ci/run"])
def test_scripts_are_clean(script: str) -> None:
    path = ROOT / script
    assert path.stat().st_mode & 0o111
    shell = path.read_text("utf-8").splitlines()[0].removeprefix("#!")
    assert run(shell, "-n", script).returncode == 0
    if shutil.which("shellcheck"):
        done = run("shellcheck", script)
        assert done.returncode == 0, done.stdout


def test_prerequisites_say_the_line_that_mends_what_is_missing(tmp_path: Path) -> None:
    """On a machine without apt, where nothing may be installed."""
    for tool in ("id", "sed", "head", "grep", "sh"):
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / tool).symlink_to(found)
    shell = shutil.which("sh") or "/bin/sh"
    script = str(ROOT / "scripts" / "prerequisites.sh")
    for what, told in (
        ("python", "apt-get install -y python3 python3-venv"),
        ("broker", "apt-get install -y openjdk-17"),
    ):
        done = subprocess.run(
            [shell, script, what], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert told in done.stderr
    outside = {"PATH": str(tmp_path), "KAFKA_BOOTSTRAP": "127.0.0.1:9092"}
    assert subprocess.run([shell, script, "broker"], env=outside, capture_output=True, check=False).returncode == 0


# --- the package


def test_what_the_broker_needs_is_in_the_wheel(tmp_path: Path) -> None:
    """`pip install .` gives the whole command line, which works from any folder."""
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore", *PACKAGES):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, tmp_path)
    code = "from hatchling.build import build_wheel; print(build_wheel('.'))"
    done = run(sys.executable, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    listed = run(sys.executable, "-m", "zipfile", "-l", done.stdout.strip().splitlines()[-1], cwd=tmp_path)
    for name in ("pipeline/broker/pom.xml", "pipeline/broker/compose.yml", "pipeline/cli.py"):
        assert name in listed.stdout
    assert not re.search(r"^tests/", listed.stdout, re.MULTILINE)
