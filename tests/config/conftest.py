"""Loading with the stand-ins."""

from collections.abc import Callable

import pytest
from pydantic import BaseModel

from schemas.config import Config, ConfigErrors, load_config
from tests.config.standins import NOTIFIERS, OPENS_ON, PARAMS


@pytest.fixture(scope="session")
def params() -> dict[str, type[BaseModel]]:
    return PARAMS


@pytest.fixture(scope="session")
def load() -> Callable[[str], Config]:
    return lambda text: load_config(text, "t.yaml", PARAMS, OPENS_ON, NOTIFIERS)


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
