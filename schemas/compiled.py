"""Compiles scalar loops with numba and keeps the machine code on disk, so that a worker starts without compiling.

numba looks only at the file of the function it was asked for: after an edit to a function that is inlined into it, it
would run the old code. So the cache's folder carries a fingerprint of every source file that may be compiled.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")

_ROOT = Path(__file__).resolve().parent.parent
_KEPT = 5  # machine code of so many states of the sources stays: a few checkouts may share the cache
_COMPILED = ("schemas", "detectors", "alerting", "pipeline")


def _folder() -> Path:
    """NUMBA_CACHE_DIR, else the user's cache; below it one folder a state of the sources."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.blake2b(digest_size=8)
    for package in _COMPILED:
        for path in sorted((_ROOT / package).glob("*.py")):
            source = path.read_bytes()
            if b"@compiled" in source or b"compiled(" in source or package == "schemas":
                digest.update(f"{package}/{path.name}\0".encode() + source)
    base = Path(given) if given else home / "tidegauge" / "compiled"
    _drop_old(base)
    return base / digest.hexdigest()


def _drop_old(base: Path) -> None:
    """Keeps the newest few states of the sources; another process may be doing the same."""
    try:
        old = sorted(base.iterdir(), key=lambda folder: folder.stat().st_mtime)[:-_KEPT]
    except OSError:
        return
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)


_config: Any = numba.config
_config.CACHE_DIR = str(_folder())  # read where a function is decorated, so before the first one


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Machine code for a function over numbers and arrays, the same answer bit for bit; division by zero as numpy's."""
    made: Callable[_P, _R] = numba.njit(cache=True, error_model="numpy")(function)
    return made
