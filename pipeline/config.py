"""Reading the config from disk, with the detectors there are. The checks themselves are in schemas/config."""

import os
from pathlib import Path

from detectors import LEVELS_ON, PARAMS
from schemas.config import Config, ConfigError, ConfigErrors, Rule, load_config

BYTES_MAX = 4_000_000
_DEFAULT = """
rules:
  - {name: unusual, match: "{}", detector: baseline, levels: {warning: 1.0, critical: 2.0}}
"""


def default_rules() -> tuple[Rule, ...]:
    """The shipped default, where no config is given: every series, its own border."""
    return load_config(_DEFAULT, "default", PARAMS, LEVELS_ON).rules


def read_config(path: Path) -> Config:
    """Raises ConfigErrors with every mistake, also where the file is missing or can't be read.

    Where the file doesn't say kafka.bootstrap, the environment's KAFKA_BOOTSTRAP does, then the default.
    """
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        raise _error(path, "no such file; name one with -c, or start from examples/tidegauge.yaml") from None
    except IsADirectoryError:
        raise _error(path, "is a folder; name the file in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _error(path, f"can't be read: {reason}") from None
    if len(data) > BYTES_MAX:
        raise _error(path, f"larger than {BYTES_MAX:,} bytes, which no config needs")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _error(path, f"not UTF-8 (byte 0x{data[error.start]:02x}); save the file as UTF-8", line) from None
    config = load_config(text, str(path), PARAMS, LEVELS_ON)
    told = os.environ.get("KAFKA_BOOTSTRAP")
    if told and "bootstrap" not in config.kafka.model_fields_set:
        return config.model_copy(update={"kafka": config.kafka.model_copy(update={"bootstrap": told})})
    return config


def _error(path: Path, message: str, line: int = 1) -> ConfigErrors:
    return ConfigErrors([ConfigError(str(path), line, "config", message)])
