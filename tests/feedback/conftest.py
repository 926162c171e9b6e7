"""The detector that heeds feedback may be named in rules."""

from collections.abc import Iterator

import pytest

from tests.feedback import bar


@pytest.fixture(autouse=True)
def bar_is_known() -> Iterator[None]:
    with bar.known():
        yield
