"""How bad an incident is, by a table of rows: the first that holds. It grows with the incident.

While it is open it never falls by itself: numbers come late or not at all, so the higher is right until a person says
otherwise. What a person said stays until it is given back to the rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from incidents.impact import Facts, percent
from incidents.model import Incident, Part
from schemas.levels import LEVELS
from schemas.response.triage import SeverityRow


@dataclass(frozen=True)
class Judgement:
    """reason: one sentence."""

    severity: int
    reason: str


_Condition = Callable[[SeverityRow, Facts, Sequence[Part]], str | None]
"""None: the row doesn't ask. Empty: it asks for more than there is. Else: what there is."""


def _level(row: SeverityRow, facts: Facts, parts: Sequence[Part]) -> str | None:
    if row.level is None:
        return None
    return f"level {facts.level}" if LEVELS.index(facts.level) >= LEVELS.index(row.level) else ""


def _matchers(row: SeverityRow, facts: Facts, parts: Sequence[Part]) -> str | None:
    if not row.matchers.matchers:
        return None
    found = next((part.name for part in parts if row.matchers.matches({**part.labels, "level": part.worst})), None)
    return "" if found is None else f"{found} is {row.matchers}"


def _series(row: SeverityRow, facts: Facts, parts: Sequence[Part]) -> str | None:
    return _least(row.series, facts.series, f"{facts.series:,} series")


def _services(row: SeverityRow, facts: Facts, parts: Sequence[Part]) -> str | None:
    count = len(facts.services)
    return _least(row.services, count, f"{count:,} services ({', '.join(facts.services[:5])})")


def _customers(row: SeverityRow, facts: Facts, parts: Sequence[Part]) -> str | None:
    return _least(row.customers, facts.customers, f"{facts.customers:,} customers")


def _share(row: SeverityRow, facts: Facts, parts: Sequence[Part]) -> str | None:
    share = facts.share or 0.0
    return _least(row.share, share, f"{percent(share)} of traffic fails")


def _outage(row: SeverityRow, facts: Facts, parts: Sequence[Part]) -> str | None:
    return _least(row.outage_s, facts.outage_s, f"as bad as {facts.outage_s / 60:.3g} min of full outage")


def _budget(row: SeverityRow, facts: Facts, parts: Sequence[Part]) -> str | None:
    budget = facts.budget or 0.0
    return _least(row.budget, budget, f"{percent(budget)} of the error budget is burned")


CONDITIONS: tuple[_Condition, ...] = (_level, _matchers, _series, _services, _customers, _share, _outage, _budget)
"""Each asks for at least so much, so that more of anything never makes a row fail."""


def judged(facts: Facts, parts: Sequence[Part], table: Sequence[SeverityRow]) -> Judgement:
    """What the table says, whatever the incident has now. A table without a row that holds means SEV5.

    >>> from schemas.response.triage import DEFAULT_TABLE
    >>> judged(Facts("critical", 1, ("checkout",), 0, 0.12, 60.0, 0.02), [], DEFAULT_TABLE)
    Judgement(severity=2, reason='SEV2: level critical, 12% of traffic fails')
    """
    for row in table:
        said = [condition(row, facts, parts) for condition in CONDITIONS]
        if "" not in said:
            because = ", ".join(text for text in said if text) or "nothing worse applies"
            return Judgement(row.severity, f"SEV{row.severity}: {because}")
    return Judgement(5, "SEV5: no row of incidents.severity holds")


def step(incident: Incident, now: Judgement) -> Judgement | None:
    """What becomes of the incident's severity by what the rules say now; None: it stays.

    An incident without a reason was never judged: what it was opened with doesn't count.
    """
    if incident.severity_by or incident.is_over:
        return None
    if not incident.severity_reason:
        return now
    if now.severity < incident.severity:
        return Judgement(now.severity, f"{now.reason} (was SEV{incident.severity})")
    return None


def standing(incident: Incident, now: Judgement) -> str:
    """Why it is what it is, beside what the rules say now.

    >>> one = Incident(number=1, title="x", severity=2, severity_reason="SEV2: level critical", opened_s=0,
    ...                detected_s=0, updated_s=0)
    >>> standing(one, Judgement(4, "SEV4: level warning"))
    'SEV2: level critical. By what is so now it would be SEV4; while it is open it is treated as the higher'
    """
    if incident.severity_by:
        return f"{incident.severity_reason}. The rules say {now.reason}; `--auto` gives it back to them"
    if now.severity > incident.severity and not incident.is_over:
        return (
            f"{incident.severity_reason}. By what is so now it would be SEV{now.severity}; while it is open it is "
            "treated as the higher"
        )
    return incident.severity_reason


def _least(wanted: float, seen: float, words: str) -> str | None:
    if not wanted:
        return None
    return words if seen >= wanted else ""
