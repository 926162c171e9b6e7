"""Fixtures for all tests, and hypothesis held to one behaviour everywhere."""

import os

from hypothesis import settings

from tests.kafka_fixture import kafka, topic_name

__all__ = ["kafka", "topic_name"]

# Timings on a busy machine say nothing; in CI the same examples each time, so that a red build is red twice.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
