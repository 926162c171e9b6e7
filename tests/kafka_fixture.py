"""A real Kafka for tests that carry the marker `kafka`: one a session, and a topic name that no other test uses."""

import os
import uuid
from collections.abc import Iterator

import pytest

from pipeline import broker


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Its address, `host:port`. The one that KAFKA_BOOTSTRAP names, else a broker of our own that goes at the end."""
    outside = os.environ.get("KAFKA_BOOTSTRAP")
    if outside:
        yield outside
        return
    ours = broker.start(0, ephemeral=True, via="java", heap="512m", say=print)
    assert ours.port is not None
    try:
        yield ours.bootstrap
    finally:
        broker.stop(ours.port)


@pytest.fixture
def topic_name(request: pytest.FixtureRequest) -> str:
    """Nothing is created; the test's name is in it, for whoever looks at the broker afterwards."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in request.node.name)
    return f"{plain[:60]}-{uuid.uuid4().hex[:8]}"
