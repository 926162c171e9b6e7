"""Stand-ins for the detectors, so that the config is tested on settings of every shape."""

from collections.abc import Callable
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from schemas.config import Config, ConfigErrors, load_config


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


@pytest.fixture(scope="session")
def params() -> dict[str, type[BaseModel]]:
    return PARAMS


@pytest.fixture(scope="session")
def load() -> Callable[[str], Config]:
    return lambda text: load_config(text, "t.yaml", PARAMS, OPENS_ON)


@pytest.fixture(scope="session")
def errors(load: Callable[[str], Config]) -> Callable[[str], list[str]]:
    """The error lines of a text, without the file's name; empty if it is fine."""

    def find(text: str) -> list[str]:
        try:
            load(text)
        except ConfigErrors as found:
            return [str(error).removeprefix("t.yaml:") for error in found.errors]
        return []

    return find
