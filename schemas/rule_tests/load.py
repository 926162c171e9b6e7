"""Text to tests, or every mistake in it at once, as in the config: FILE:LINE: path: message."""

from collections.abc import Iterable, Sequence

from schemas.config import ConfigError, ConfigErrors, Rule
from schemas.config.checking import Checking
from schemas.config.errors import Path, Problem, path_text, shown, suggestion
from schemas.config.machine import NO_MACHINE
from schemas.config.tree import Broken
from schemas.config.written import INCLUDE, Written
from schemas.rule_tests.model import Check, Expected, FileCheck, FileTest, FileTests, InputSeries, RuleTest, TestFile

_AT_EACH_VALUE = "leave it out: rules are judged at every value, at its own time"
# What a file for promtool may have, and why it has no meaning here.
_OF_PROMTOOL = {
    "rule_files": "Tidegauge's rules stand in its config; write config: tidegauge.yaml",
    "evaluation_interval": _AT_EACH_VALUE,
    "group_eval_order": _AT_EACH_VALUE,
    "fuzzy_compare": "leave it out: no numbers are compared",
}
_OF_PROMTOOL_TEST = {
    "promql_expr_test": "leave it out: rules are selectors here, not PromQL expressions",
    "external_labels": "leave it out: an alert has its series' labels and its rule's",
    "external_url": "leave it out: annotations are not templates here",
}


def load_tests(text: str, file: str) -> TestFile:
    """file: for messages. Raises ConfigErrors with every mistake."""
    try:
        written = Written(text, file, NO_MACHINE)
    except Broken as broken:
        raise _errors([broken.problem], file) from None
    checking = Checking(written)
    data = written.data
    if not isinstance(data, dict) or (not data and not checking.problems):
        checking.report((), "there must be keys and values; it needs at least tests (see examples/rules_test.yaml)")
        raise _errors(checking.problems, file)
    if written.has((INCLUDE,)):
        checking.report((INCLUDE,), "a file of tests includes no others; name them all on the command line")
    _without_promtools(data, checking)
    checking.drop_nothings(data, ())
    found = checking.validated(FileTests, data)
    tests = [_test(test, ("tests", k), checking) for k, test in enumerate(found.tests)] if found else []
    if found is None or checking.problems:
        raise _errors(checking.problems, file)
    return TestFile(file, found.config, tuple(tests), checking.written.line)


def _errors(problems: Iterable[Problem], file: str) -> ConfigErrors:
    unique = sorted(set(problems), key=lambda p: (p.line, [str(part) for part in p.path], p.message))
    return ConfigErrors(ConfigError(file, p.line, path_text(p.path), p.message) for p in unique)


def _without_promtools(data: dict[str, object], checking: Checking) -> None:
    tests = data.get("tests")
    places: list[tuple[Path, object, dict[str, str]]] = [((), data, _OF_PROMTOOL)]
    for k, test in enumerate(tests if isinstance(tests, list) else ()):
        places.append((("tests", k), test, _OF_PROMTOOL_TEST))
        checks = test.get("alert_rule_test") if isinstance(test, dict) else None
        for check in checks if isinstance(checks, list) else ():
            # promtool reads a key without alerts as none.
            if isinstance(check, dict) and "exp_alerts" in check and check["exp_alerts"] is None:
                check["exp_alerts"] = []
    for at, holder, reasons in places:
        for key in reasons:
            if isinstance(holder, dict) and key in holder:
                checking.report((*at, key), reasons[key])
                del holder[key]


def _test(test: FileTest, at: Path, checking: Checking) -> RuleTest:
    if not test.input_series and not test.input_files and not checking.broken(at):
        checking.report(at, "nothing to judge; give it input_series, or input_files")
    first: dict[str, int] = {}
    for k, one in enumerate(test.input_series):
        here = (*at, "input_series", k, "series")
        if (name := str(one.series)) in first and not checking.broken(here):
            checking.report(here, f"the same as input_series[{first[name]}]; join their values")
        first.setdefault(name, k)
    line = checking.written.line(at)
    return RuleTest(
        name=test.name or f"test on line {line}",
        line=line,
        interval_s=test.interval,
        start_s=test.start,
        series=tuple(InputSeries(one.series, one.values) for one in test.input_series),
        files=test.input_files,
        checks=tuple(
            _check(check, (*at, "alert_rule_test", k), test, checking) for k, check in enumerate(test.alert_rule_test)
        ),
    )


def _check(check: FileCheck, at: Path, test: FileTest, checking: Checking) -> Check:
    # Where the start isn't known yet, moments of the two kinds can't be compared.
    first, last, start_s = check.eval_time, check.until, test.start
    known = last is not None and (last.is_absolute == first.is_absolute or start_s is not None)
    if last and known and last.unix_s(start_s or 0.0) < first.unix_s(start_s or 0.0):
        checking.report((*at, "until"), "is before eval_time; swap them")
    if first.is_absolute and start_s is not None and first.s < start_s:
        checking.report((*at, "eval_time"), "is before the test's start, when nothing has come yet")
    expected = tuple(Expected(one.level, one.exp_labels, one.exp_annotations) for one in check.exp_alerts)
    return Check(checking.written.line(at), first, last, check.alertname, expected)


def misnamed(tests: TestFile, rules: Sequence[Rule], config: str) -> list[ConfigError]:
    """Rules and levels that the tests name and the config hasn't. config: its name, for messages."""
    by_name = {rule.name: rule for rule in rules}
    found: list[ConfigError] = []
    for t, test in enumerate(tests.tests):
        for c, check in enumerate(test.checks):
            at: Path = ("tests", t, "alert_rule_test", c)
            named = [(check.rule, (*at, "alertname"))] if check.rule else []
            for e, alert in enumerate(check.alerts):
                here = (*at, "exp_alerts", e)
                own = (alert.labels or {}).get("alertname")
                named += [(own, (*here, "exp_labels", "alertname"))] if own else []
                rule = by_name.get(own or check.rule or "")
                levels = [level.name for level in rule.levels] if rule else []
                if rule and alert.level and alert.level not in levels:
                    message = f"{rule.name} has no level {alert.level} in {config}; {suggestion(alert.level, levels)}"
                    found.append(_error(tests, (*here, "level"), message))
            for name, place in named:
                if name not in by_name:
                    message = f"no rule {shown(name)} in {config}; {suggestion(name, by_name)}"
                    found.append(_error(tests, place, message))
    return found


def _error(tests: TestFile, at: Path, message: str) -> ConfigError:
    return ConfigError(tests.file, tests.line(at), path_text(at), message)
