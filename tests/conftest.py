"""Fixtures for all tests, and hypothesis held to one behaviour everywhere."""

import os

from hypothesis import settings

from tests.kafka_fixture import kafka, topic_name

__all__ = ["kafka", "topic_name"]

# Timings on a busy machine say nothing. The same examples each time, so that a red run tells of the change before it;
# `make fuzz` searches for new ones.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=1000)
settings.load_profile("fuzz" if os.environ.get("TIDEGAUGE_FUZZ") else "same")
