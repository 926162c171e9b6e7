"""The config: what may be written, and reading it. `load_config` is told the text and who the detectors are."""

from schemas.config.errors import ConfigError, ConfigErrors
from schemas.config.json_schema import config_schema
from schemas.config.loader import load_config
from schemas.config.models import DESK_KEYS, Config, Input, Kafka, Limits, Snapshots, Topics
from schemas.config.rules import DetectorSpec, Level, Rule

__all__ = [
    "DESK_KEYS",
    "Config",
    "ConfigError",
    "ConfigErrors",
    "DetectorSpec",
    "Input",
    "Kafka",
    "Level",
    "Limits",
    "Rule",
    "Snapshots",
    "Topics",
    "config_schema",
    "load_config",
]
