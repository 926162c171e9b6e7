"""The detector that heeds feedback stands in the simulation's rules."""

from collections.abc import Iterator

import pytest

from tests.feedback import bar


@pytest.fixture(autouse=True)
def bar_is_known() -> Iterator[None]:
    with bar.known():
        yield
