"""Stand-ins for detectors, receivers and the machine, so that the config is tested on settings of every shape."""

from fnmatch import fnmatch
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.config import (
    Config,
    ConfigErrors,
    Duration,
    HttpConfig,
    Machine,
    NotifierSpec,
    SecretText,
    Section,
    load_config,
)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ThresholdParams(Settings):
    pass


class BaselineParams(Settings):
    half_life_s: float = Field(default=600.0, gt=0, description="How fast it forgets.")
    season: Literal["none", "day", "week"] = Field(default="none", description="What repeats.")
    lags: tuple[int, ...] = Field(default=(1,), description="How far it looks back.")


class RiverParams(Settings):
    model: str = Field(description="Name of a river model.")
    args: dict[str, bool | int | float | str | None] = Field(default={}, description="Its arguments.")


PARAMS: dict[str, type[BaseModel]] = {"threshold": ThresholdParams, "baseline": BaselineParams, "river": RiverParams}
OPENS_ON: dict[str, Literal["score", "value"]] = {"threshold": "value", "baseline": "score", "river": "score"}


class ChatSettings(Section):
    """A chat."""

    api_url: SecretText | None = Field(default=None, description="Its address.")
    api_url_file: str | None = Field(default=None, description="File with it.")
    channel: str = Field(default="", description="Where.")
    color: Literal["red", "green"] = Field(default="red", description="A choice.")
    timeout_s: Duration = Field(default=10.0, gt=0, validation_alias="timeout", description="How long.")
    http_config: HttpConfig | None = Field(default=None, description="How it is spoken to.")

    @model_validator(mode="after")
    def _one_address(self) -> "ChatSettings":
        if (self.api_url is None) is (self.api_url_file is None):
            raise ValueError("needs api_url or api_url_file")
        return self


class MailSettings(Section):
    """A mail."""

    to: str = Field(description="To whom.")
    sender: str = Field(validation_alias="from", description="From whom.")
    smarthost: str = Field(description="By whom.")
    require_tls: bool = Field(default=True, description="Whether by TLS only.")
    retries: int = Field(default=3, ge=0, description="How often.")


NOTIFIERS: dict[str, NotifierSpec] = {
    "slack": NotifierSpec(ChatSettings, {"api_url": "slack_api_url", "api_url_file": "slack_api_url_file"}, False),
    "email": NotifierSpec(
        MailSettings, {"from": "smtp_from", "smarthost": "smtp_smarthost", "require_tls": "smtp_require_tls"}, False
    ),
    "msteamsv2": NotifierSpec(ChatSettings, {}),
}


def a_machine(files: dict[str, str], env: dict[str, str] | None = None, time_zone: str = "UTC") -> Machine:
    """With these files, by the paths the config gives them."""

    def read(path: str) -> str:
        if path not in files:
            raise ValueError("no such file")
        return files[path]

    return Machine(read, lambda pattern: sorted(f for f in files if fnmatch(f, pattern)), (env or {}).get, time_zone)


def load_desk(text: str, machine: Machine | None = None) -> Config:
    """A config that needs no rules."""
    return load_config(text, "t.yaml", PARAMS, OPENS_ON, NOTIFIERS, machine or Machine(), need_rules=False)


def desk_errors(text: str, machine: Machine | None = None) -> list[str]:
    """The error lines, without the first file's name; empty if it is fine."""
    try:
        load_desk(text, machine)
    except ConfigErrors as found:
        return [str(error).removeprefix("t.yaml:") for error in found.errors]
    return []


def warnings(text: str, machine: Machine | None = None) -> list[str]:
    return [str(warning).removeprefix("t.yaml:") for warning in load_desk(text, machine).warnings]
