"""A test from its inputs to what failed in it, with what a person needs to see why."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from pipeline.rule_tests.compare import Mismatch, mismatches
from pipeline.rule_tests.trial import Trial
from schemas.alert import AlertEvent
from schemas.config import Config, Rule
from schemas.formats.times import rfc3339_s
from schemas.rule_tests import Check, RuleTest

_STORY_MAX = 12  # newest transitions told with a failure
_SERIES_MAX, _VALUES_MAX = 3, 8  # told where nothing happened


@dataclass(frozen=True)
class Failure:
    """A check that does not hold at `at_s` (Unix seconds, `after_s` from the test's start).

    story: the newest transitions of the alerts it is about, until then, and how many came before; newest: the last
    values of some series that its rule watches; held_back: openings that back-off or budget held back, by reason.
    """

    check: Check
    at_s: float
    after_s: float
    mismatches: tuple[Mismatch, ...]
    story: tuple[AlertEvent, ...]
    earlier: int
    rule: Rule | None
    newest: dict[str, list[float]]
    held_back: dict[str, int]


@dataclass(frozen=True)
class Outcome:
    """notes: (line, what a person should know though it is no failure); left_out: events not judged, by reason."""

    test: RuleTest
    start_s: float
    failures: tuple[Failure, ...]
    notes: tuple[tuple[int, str], ...]
    left_out: Counter[str]


def run_test(test: RuleTest, config: Config, folder: Path) -> Outcome:
    """folder: where the files of the test are named from. Raises OSError, CsvError."""
    trial = Trial(test, config, folder)
    judging = _Judging(trial, config.rules)
    spans = [
        (number, check, check.at.unix_s(trial.start_s), (check.until or check.at).unix_s(trial.start_s))
        for number, check in enumerate(test.checks)
    ]
    notes: list[tuple[int, str]] = []
    for stop_s in sorted({at_s for _, _, first_s, last_s in spans for at_s in (first_s, last_s)}):
        # Instant by instant, so that who asks about a span sees what opens and ends between two stops.
        for at_s, together in groupby(trial.go_to(stop_s), key=lambda event: rfc3339_s(event.at)):
            judging.fold(together)
            for number, check, first_s, last_s in spans:
                if first_s < stop_s <= last_s:
                    judging.judge(number, check, max(at_s, first_s))
        for number, check, first_s, _ in spans:
            if first_s == stop_s:
                judging.judge(number, check, stop_s)
                notes += _vacuous(check, trial)
    failures = tuple(failure for _, failure in sorted(judging.failed.items()))
    return Outcome(test, trial.start_s, failures, tuple(notes), trial.left_out())


class _Judging:
    """What is open, and the first failure of each check by its number."""

    def __init__(self, trial: Trial, rules: Sequence[Rule]) -> None:
        self.failed: dict[int, Failure] = {}
        self._open: dict[str, AlertEvent] = {}
        self._trial = trial
        self._rules = {rule.name: rule for rule in rules}

    def fold(self, events: Iterable[AlertEvent]) -> None:
        for event in events:
            if event.status == "firing":
                self._open[event.id] = event
            else:
                self._open.pop(event.id, None)

    def judge(self, number: int, check: Check, at_s: float) -> None:
        if number in self.failed:
            return
        wrong = mismatches(check.alerts, [event for event in self._open.values() if check.rule in (None, event.rule)])
        if not wrong:
            return
        trial = self._trial
        story = [e for e in trial.history if check.rule in (None, e.rule) and rfc3339_s(e.at) <= at_s]
        watched = trial.watched(check.rule) if check.rule else []
        self.failed[number] = Failure(
            check=check,
            at_s=at_s,
            after_s=at_s - trial.start_s,
            mismatches=wrong,
            story=tuple(story[-_STORY_MAX:]),
            earlier=max(len(story) - _STORY_MAX, 0),
            rule=self._rules.get(check.rule or ""),
            newest=trial.newest(watched[:_SERIES_MAX], _VALUES_MAX, at_s),
            held_back=trial.held_back(check.rule) if check.rule else {},
        )


def _vacuous(check: Check, trial: Trial) -> list[tuple[int, str]]:
    """Where none are expected, and there was nothing that could have fired."""
    if check.rule is None or check.alerts or check.until is not None:
        return []
    watched = trial.watched(check.rule)
    if not watched:
        return [(check.line, f"{check.rule} matches no series of this test, so that none fires proves little")]
    if not trial.came(watched):
        return [
            (
                check.line,
                f"no value of a series that {check.rule} matches has come by then, so that none fires proves little",
            )
        ]
    return []
