"""An entry of a timeline as others read it: the event, and its type in CDEvents' vocabulary where that has one."""

from typing import Final

from incidents.model import Entry, Incident
from schemas.alert import rfc3339
from schemas.incident import IncidentEvent, IncidentState

DETECTED: Final = "dev.cdevents.incident.detected.0.3.0"  # something noticed it
REPORTED: Final = "dev.cdevents.incident.reported.0.3.0"  # somebody did
RESOLVED: Final = "dev.cdevents.incident.resolved.0.3.0"
OWN: Final = "io.tidegauge.incident.{}.1"  # of all that CDEvents has no word for


def kind_of(incident: Incident, entry: Entry) -> str:
    """`ce_type`.

    >>> from incidents.timeline import FIRST, chained
    >>> from incidents.model import Line
    >>> it = Incident(number=1, title="x", severity=2, rule="shop", opened_s=0, detected_s=0, updated_s=0)
    >>> lines = [Line(what="opened", text="a"), Line(what="comment", text="b")]
    >>> [kind_of(it, entry) for entry in chained(1, lines, 0, FIRST, 5.0)]
    ['dev.cdevents.incident.detected.0.3.0', 'io.tidegauge.incident.comment.1']
    """
    if entry.what == "opened":
        return DETECTED if incident.rule else REPORTED
    if entry.what == "state" and entry.details.get("to") == "resolved" and entry.details.get("from") != "resolved":
        return RESOLVED
    return OWN.format(entry.what)


def event_of(incident: Incident, entry: Entry) -> IncidentEvent:
    """incident: as it stands now."""
    return IncidentEvent(
        id=incident.id,
        seq=entry.seq,
        what=entry.what,
        text=entry.text,
        at=rfc3339(entry.at_s),
        written_at=rfc3339(entry.written_s),
        by=entry.by,
        source=entry.source,
        details=entry.details,
        previous=entry.previous,
        hash=entry.hash,
        incident=state_of(incident),
    )


def state_of(incident: Incident) -> IncidentState:
    return IncidentState(
        title=incident.title,
        state=incident.state,
        severity=incident.severity,
        severity_reason=incident.severity_reason,
        service=incident.service,
        labels=incident.labels,
        rule=incident.rule,
        policy=incident.policy,
        team=incident.team,
        summary=incident.summary,
        opened_by=incident.opened_by,
        opened_at=rfc3339(incident.opened_s),
        detected_at=rfc3339(incident.detected_s),
        acknowledged_at=_at(incident.acknowledged_s),
        acknowledged_by=incident.acknowledged_by,
        mitigated_at=_at(incident.mitigated_s),
        resolved_at=_at(incident.resolved_s),
        closed_at=_at(incident.closed_s),
        roles=incident.roles,
        verdict=incident.verdict,
        merged_into=None if incident.merged_into is None else f"INC-{incident.merged_into}",
        version=incident.version,
    )


def _at(unix_s: float | None) -> str | None:
    return None if unix_s is None else rfc3339(unix_s)
