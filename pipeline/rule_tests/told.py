"""What came of tests, for a person, a program, and a build server (JUnit's XML). Names are shown, never obeyed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from xml.etree import ElementTree as Xml

from rich.text import Text

from pipeline.commands.rendering import STYLES, plain, series_of
from pipeline.rule_tests.compare import Difference, Mismatch
from pipeline.rule_tests.run import Failure, Outcome
from schemas.alert import AlertEvent, rfc3339
from schemas.config import Rule
from schemas.config.values import duration_text
from schemas.formats.times import rfc3339_s
from schemas.promql_text import quoted
from schemas.rule_tests import Expected

_GOOD, _BAD = "green", "red"
_NOTHING = "nothing"


@dataclass(frozen=True)
class Ran:
    """A test of a file, what came of it, and how long that took."""

    file: str
    outcome: Outcome
    took_s: float

    @property
    def passed(self) -> bool:
        return not self.outcome.failures


def for_person(ran: Ran) -> Text:
    """A line, and where it failed what was expected, what was there, and how it came to that."""
    outcome, text = ran.outcome, Text()
    text.append(" PASS " if ran.passed else " FAIL ", "bold black on green" if ran.passed else "bold white on red")
    text.append(f" {plain(outcome.test.name)}", "bold")
    text.append(f"  {plain(ran.file)}:{outcome.test.line}\n", "dim")
    for failure in outcome.failures:
        for line in _failure(failure, ran.file):
            text.append("  ").append_text(line).append("\n")
    for line_number, note in outcome.notes:
        text.append(f"  note: {plain(ran.file)}:{line_number}: {plain(note)}\n", "yellow")
    for reason, count in sorted(outcome.left_out.items()):
        text.append(f"  note: {count:,} events of the inputs were not judged: {reason}\n", "yellow")
    text.rstrip()
    return text


def _failure(failure: Failure, file: str) -> Iterator[Text]:
    check = failure.check
    what = f"alerts of {plain(check.rule)}" if check.rule else "all alerts"
    yield Text(f"{plain(file)}:{check.line}: {what} at {_when(failure.after_s)} ({rfc3339(failure.at_s)})", "bold")
    for mismatch in failure.mismatches:
        yield from _mismatch(mismatch)
    yield from _story(failure)


def _mismatch(mismatch: Mismatch) -> Iterator[Text]:
    expected, alert = mismatch.expected, mismatch.alert
    if alert is None and expected is not None:
        yield Text.assemble(("- expected, and not firing: ", _BAD), _wanted(expected))
    elif expected is None and alert is not None:
        yield Text.assemble(("+ firing, and not expected: ", _GOOD), _fires(alert))
        yield Text(f"    {plain(alert.why)}", "italic")
    elif alert is not None:
        yield Text.assemble(("~ firing, but not as expected: ", "yellow"), _fires(alert))
        width = max(len(plain(one.what)) for one in mismatch.differences)
        for one in mismatch.differences:
            yield Text.assemble(
                f"    {plain(one.what):<{width}}  ",
                ("- " + _side(one, one.expected), _BAD),
                "  ",
                ("+ " + _side(one, one.got), _GOOD),
            )


def _side(difference: Difference, text: str | None) -> str:
    return _NOTHING if text is None else text if difference.what == "level" else quoted(text)


def _wanted(expected: Expected) -> str:
    parts: list[str] = [expected.level or "any level"]
    if expected.labels is not None:
        parts.append("{" + ", ".join(f"{plain(n)}={quoted(v)}" for n, v in sorted(expected.labels.items())) + "}")
    if expected.annotations:
        parts.append("with " + ", ".join(f"{plain(n)}={quoted(v)}" for n, v in sorted(expected.annotations.items())))
    return " ".join(parts)


def _fires(alert: AlertEvent) -> Text:
    return Text.assemble(
        (str(alert.level), STYLES.get(alert.level or "", "")), f" {plain(alert.rule)} {series_of(alert)}"
    )


def _story(failure: Failure) -> Iterator[Text]:
    whose = plain(failure.check.rule) if failure.check.rule else "the rules"
    if failure.story:
        more = f" (after {failure.earlier:,} earlier ones)" if failure.earlier else ""
        yield Text(f"what {whose} had told by then{more}:", "dim")
        start_s = failure.at_s - failure.after_s
        whens = [_when(_at_s(event) - start_s) for event in failure.story]
        width = max(map(len, whens))
        for when, event in zip(whens, failure.story, strict=True):
            yield Text(f"  {when:<{width}}  {series_of(event)}  {plain(event.why)}", "dim")
    else:
        yield Text(f"{whose} had told nothing by then", "dim")
    if failure.rule:
        yield Text(f"its levels: {'; '.join(levels_of(failure.rule))}", "dim")
    if failure.check.rule and not failure.newest:
        yield Text(f"it matches none of the series of this test: {plain(_match(failure.rule))}", "dim")
    for name, values in failure.newest.items():
        shown = " ".join(f"{value:.6g}" for value in values) or "no value yet"
        yield Text(f"newest values: {plain(name)}  {shown}", "dim")
    for reason, count in sorted(failure.held_back.items()):
        yield Text(f"held back by {reason}: {count:,} openings", "dim")


def _match(rule: Rule | None) -> str:
    return str(rule.selector) if rule else ""


def levels_of(rule: Rule) -> list[str]:
    """What opens each level, mildest first: `warning: threshold > 80 for 1m`."""
    return [
        f"{level.name}: {rule.detectors[level.detector].kind} {level.open}"
        + (f" for {duration_text(level.for_s)}" if level.for_s else "")
        for level in rule.levels
    ]


def _at_s(event: AlertEvent) -> float:
    return rfc3339_s(event.at)


def _when(after_s: float) -> str:
    """A time after the start, in the units of the file.

    >>> _when(5400.0), _when(0.0), _when(-60.0)
    ('1h30m', '0s', '-1m')
    """
    if after_s < 0:
        return "-" + _when(-after_s)
    parts, left_ms = [], round(after_s * 1000)
    for unit, size_ms in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left_ms = divmod(left_ms, size_ms)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def for_program(ran: Sequence[Ran], took_s: float) -> dict[str, object]:
    """For `--json`."""
    return {
        "passed": sum(one.passed for one in ran),
        "failed": sum(not one.passed for one in ran),
        "took_s": round(took_s, 3),
        "tests": [
            {
                "file": one.file,
                "line": one.outcome.test.line,
                "name": one.outcome.test.name,
                "passed": one.passed,
                "took_s": round(one.took_s, 3),
                "failures": [_as_json(failure) for failure in one.outcome.failures],
                "notes": [{"line": line, "message": note} for line, note in one.outcome.notes],
                "left_out": dict(one.outcome.left_out),
            }
            for one in ran
        ],
    }


def _as_json(failure: Failure) -> dict[str, object]:
    return {
        "line": failure.check.line,
        "at": rfc3339(failure.at_s),
        "after_s": failure.after_s,
        "rule": failure.check.rule,
        "mismatches": [
            {
                "expected": _expected_json(one.expected) if one.expected else None,
                "got": _alert_json(one.alert) if one.alert else None,
                "differences": [asdict(each) for each in one.differences],
            }
            for one in failure.mismatches
        ],
        "told": [_alert_json(event) for event in failure.story],
        "newest": failure.newest,
        "held_back": failure.held_back,
    }


def _expected_json(expected: Expected) -> dict[str, object]:
    return {"level": expected.level, "labels": expected.labels, "annotations": expected.annotations or {}}


def _alert_json(event: AlertEvent) -> dict[str, object]:
    names = ("rule", "status", "level", "labels", "annotations", "starts_at", "at", "value", "why")
    return {name: getattr(event, name) for name in names}


def for_build_server(ran: Sequence[Ran]) -> bytes:
    """JUnit's XML: a suite a file, a case a test."""
    suites = Xml.Element("testsuites", _counts(ran))
    for file in dict.fromkeys(one.file for one in ran):
        mine = [one for one in ran if one.file == file]
        suite = Xml.SubElement(suites, "testsuite", {"name": _xml(file)} | _counts(mine))
        for one in mine:
            test = one.outcome.test
            about = {"name": _xml(test.name), "classname": _xml(file), "file": _xml(file), "line": str(test.line)}
            case = Xml.SubElement(suite, "testcase", about | {"time": f"{one.took_s:.3f}"})
            for failure in one.outcome.failures:
                lines = [line.plain for line in _failure(failure, one.file)]
                Xml.SubElement(case, "failure", {"message": _xml(lines[0]), "type": "alerts"}).text = _xml(
                    "\n".join(lines)
                )
            notes = [f"{one.file}:{line}: {note}" for line, note in one.outcome.notes]
            notes += [f"not judged: {reason}: {count}" for reason, count in sorted(one.outcome.left_out.items())]
            if notes:
                Xml.SubElement(case, "system-out").text = _xml("\n".join(notes))
    Xml.indent(suites)
    return bytes(Xml.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _counts(ran: Iterable[Ran]) -> dict[str, str]:
    each = list(ran)
    failed, took_s = sum(not one.passed for one in each), sum(one.took_s for one in each)
    return {"tests": str(len(each)), "failures": str(failed), "errors": "0", "time": f"{took_s:.3f}"}


def _xml(text: str) -> str:
    """XML has no way to hold control characters, so they are spelt out as for a terminal."""
    return "\n".join(map(plain, text.split("\n")))
