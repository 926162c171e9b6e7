"""The table in docs/guarantees.md says what a run of the faults found."""

from benchmarks.table import TABLES

EXACT = {
    "events": 1234,
    "expected": 50,
    "unique": 50,
    "missing": 0,
    "doubles": 7,
    "conflicting": 0,
    "unexpected": 0,
    "dead_expected": 3,
    "dead_missing": 0,
    "slowest_alert_s": 11.26,
    "state": [],
}


def row(**line: object) -> str:
    whole = {
        "name": "zombie",
        "good": True,
        "verdict": EXACT,
        "measured": {"recovered_s": [12.22, 3.0]},
        "notes": [],
        **line,
    }
    head, _, text = TABLES["chaos"].rows({"lines": [whole]})
    assert text.count("|") - text.count("\\|") == head.count("|")
    return text


def test_a_row_has_everything_that_was_counted() -> None:
    assert row() == "| zombie | 1,234 | yes | 50 | 50 | 0 | 7 | 0 | 3 / 0 | 12.2, 3.0 | 11.3 |  |"


def test_what_differs_from_the_oracle_is_never_equal_and_what_nobody_expected_conflicts() -> None:
    wrong = {**EXACT, "state": ["0: cells"], "conflicting": 1, "unexpected": 2}
    text = row(good=False, verdict=wrong, notes=["differs: 0: cells"])
    assert "**zombie: FAILED**" in text
    assert "| 1,234 | no | 50 | 50 | 0 | 7 | 3 |" in text
    assert "differs: 0: cells" in text


def test_a_row_without_a_verdict_says_that_it_failed() -> None:
    text = row(good=False, verdict=None, notes=["AssertionError: a | b"])
    assert text.startswith("| **zombie: FAILED** |")
    assert text.endswith("| AssertionError: a \\| b |")
