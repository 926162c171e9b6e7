"""The config: what may be written, and reading it. `load_config` is told the text and who the detectors are."""

from schemas.config.desk.routes import desk_without_route
from schemas.config.desk.spec import NotifierSpec
from schemas.config.errors import ConfigError, ConfigErrors
from schemas.config.http_config import HttpConfig
from schemas.config.json_schema import config_schema
from schemas.config.loader import load_config
from schemas.config.machine import Machine
from schemas.config.models import Config, Input, Kafka, Limits, Snapshots, Topics
from schemas.config.rules import PLACE_LABELS, DetectorSpec, Level, Rule
from schemas.config.section import Section
from schemas.config.values import Duration, SecretText, WebAddress

__all__ = [
    "PLACE_LABELS",
    "Config",
    "ConfigError",
    "ConfigErrors",
    "DetectorSpec",
    "Duration",
    "HttpConfig",
    "Input",
    "Kafka",
    "Level",
    "Limits",
    "Machine",
    "NotifierSpec",
    "Rule",
    "SecretText",
    "Section",
    "Snapshots",
    "Topics",
    "WebAddress",
    "config_schema",
    "desk_without_route",
    "load_config",
]
