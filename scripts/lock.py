"""Makes the requirements*.lock files from pyproject.toml; with --check, tells whether they were made from it.

The locks name no index: pip takes whatever index it is set up with, and the hashes say whether those are the files.
The check needs no network: each lock carries a fingerprint of the requirements that it was made from.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What setting up needs and no group lists, beside the build backend: its helper for editable installs, and uv.
SETUP = ["editables>=0.5", "uv>=0.9"]
PYTHON_MIN = "3.11"


def main(arguments: list[str]) -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    runtime = project["project"]["dependencies"]
    build = project["build-system"]["requires"]
    dev = [*runtime, *project["dependency-groups"]["dev"], *build, *SETUP]
    # The build backend has a lock of its own too: the container image builds the project with nothing else there.
    locks = {"requirements.lock": runtime, "requirements-build.lock": build, "requirements-dev.lock": dev}
    if arguments == ["--check"]:
        stale = [name for name, wanted in locks.items() if not is_current(ROOT / name, wanted)]
        for name in stale:
            sys.stderr.write(f"{name} was not made from this pyproject.toml: run `make lock`\n")
        return 1 if stale else 0
    if arguments not in ([], ["--upgrade"]):
        sys.stderr.write("usage: lock.py [--check | --upgrade]\n")
        return 2
    for name, wanted in locks.items():
        write(ROOT / name, wanted, upgrade=bool(arguments))
    return 0


def fingerprint(requirements: list[str]) -> str:
    return hashlib.sha256(json.dumps(sorted(requirements)).encode()).hexdigest()[:16]


def first_line(requirements: list[str]) -> str:
    return f"# By `make lock` from pyproject.toml (requirements {fingerprint(requirements)}). Not to be edited."


def is_current(lock: Path, requirements: list[str]) -> bool:
    return lock.exists() and lock.read_text("utf-8").startswith(first_line(requirements) + "\n")


def write(lock: Path, requirements: list[str], *, upgrade: bool) -> None:
    """Keeps the versions that are in the lock already, unless `upgrade`; the dev lock agrees with the others."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}") or shutil.which("uv")
    if uv is None:
        raise SystemExit("lock.py: uv is missing; `make setup` brings it")
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "requirements.in"), Path(folder, lock.name)
        source.write_text("\n".join(requirements) + "\n", "utf-8")
        if lock.exists():
            shutil.copyfile(lock, made)
        options = ["--universal", f"--python-version={PYTHON_MIN}", "--generate-hashes", "--no-header", "--no-annotate"]
        options += ["--no-emit-index-url", "--no-emit-find-links", "--quiet", f"--output-file={made}"]
        if upgrade:
            options.append("--upgrade")
        if lock.name == "requirements-dev.lock":
            options += [f"--constraint={ROOT / name}" for name in ("requirements.lock", "requirements-build.lock")]
        subprocess.run([uv, "pip", "compile", *options, str(source)], check=True)  # noqa: S603 - found by us, no shell
        lock.write_text(first_line(requirements) + "\n" + made.read_text("utf-8"), "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
