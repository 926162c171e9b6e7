"""Tests of rules as a person writes them: input series, and what shall be firing when. Reading them is pure."""

from schemas.rule_tests.load import load_tests, misnamed
from schemas.rule_tests.model import Check, Expected, InputSeries, Moment, RuleTest, TestFile

__all__ = ["Check", "Expected", "InputSeries", "Moment", "RuleTest", "TestFile", "load_tests", "misnamed"]
