"""Reading the config from disk, with the detectors and receivers there are. The checks are in schemas/config."""

import os
import time
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel

from alerting.notifiers import KINDS
from detectors import LEVELS_ON, PARAMS
from incidents.oncall.schedule import ahead
from incidents.remedies.kinds import KINDS as REMEDIES
from schemas.config import Config, ConfigError, ConfigErrors, Machine, NotifierSpec, Rule, load_config

BYTES_MAX = 4_000_000
_DEFAULT = """
rules:
  - {name: unusual, match: "{}", detector: default, levels: {warning: 1.0, critical: 2.0}}
"""


def default_rules() -> tuple[Rule, ...]:
    """The shipped default, where no config is given: every series, its own border."""
    return load_config(_DEFAULT, "default", PARAMS, LEVELS_ON).rules


_GROUP_DEFAULT = """
rules:
  - {name: unusual-together, match: "{}", group_by: [], detector: multivariate, levels: {warning: 1.0, critical: 2.0}}
"""


def default_group_rules() -> tuple[Rule, ...]:
    """The shipped default for a group, where no config is given."""
    return load_config(_GROUP_DEFAULT, "default", PARAMS, LEVELS_ON).rules


def notifiers() -> dict[str, NotifierSpec]:
    """What the config must know of each kind of receiver there is."""
    return {kind: NotifierSpec(each.Settings, each.globals, each.send_resolved) for kind, each in KINDS.items()}


def remedies() -> dict[str, type[BaseModel]]:
    """What the config must know of each kind of remedy there is."""
    return {kind: each.Settings for kind, each in REMEDIES.items()}


def read_config(path: Path, need_rules: bool = True) -> Config:
    """Raises ConfigErrors with every mistake, also where the file is missing or can't be read.

    need_rules: a worker watches something; the desk and its commands also take a file without rules.
    Where the file doesn't say kafka.bootstrap, the environment's KAFKA_BOOTSTRAP does, then the default.
    """
    text = read_text(path)
    look_ahead = partial(ahead, now_s=time.time())
    machine = Machine(_included, _find, os.environ.get, _time_zone(), look_ahead)
    config = load_config(text, str(path), PARAMS, LEVELS_ON, notifiers(), machine, need_rules, remedies())
    told = os.environ.get("KAFKA_BOOTSTRAP")
    if told and "bootstrap" not in config.kafka.model_fields_set:
        return config.model_copy(update={"kafka": config.kafka.model_copy(update={"bootstrap": told})})
    return config


def read_text(path: Path) -> str:
    """The text of a file that a person writes, before anything is made of it. Raises ConfigErrors."""
    try:
        return _text(path)
    except _Unreadable as error:
        raise ConfigErrors([ConfigError(str(path), error.line, "config", str(error))]) from None


class _Unreadable(ValueError):
    """Says why, and on which line where it is one line's fault."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.line = line


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        raise _Unreadable("no such file; name one with -c, or start from examples/tidegauge.yaml") from None
    except IsADirectoryError:
        raise _Unreadable("is a folder; name the file in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _Unreadable(f"can't be read: {reason}") from None
    if len(data) > BYTES_MAX:
        raise _Unreadable(f"larger than {BYTES_MAX:,} bytes, which no config needs")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Unreadable(f"not UTF-8 (byte 0x{data[error.start]:02x}); save the file as UTF-8", line) from None


def _included(path: str) -> str:
    try:
        return _text(Path(path))
    except _Unreadable as error:
        reason = "no such file" if isinstance(error.__context__, FileNotFoundError) else str(error)
        raise ValueError(reason) from None


def _find(pattern: str) -> list[str]:
    path = Path(pattern)
    try:
        found = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
        return sorted(str(file) for file in found if file.is_file())
    except (OSError, ValueError):
        return []


def _time_zone() -> str:
    """IANA name of the machine's own zone: TZ, else where /etc/localtime leads; UTC where neither says."""
    name = (
        os.environ.get("TZ", "").removeprefix(":") or str(Path("/etc/localtime").resolve()).partition("/zoneinfo/")[2]
    )
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"
