"""Reviews in the database, every version of each; and what drafts and figures are made from."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from incidents import charts, impact, review
from incidents.charts import Chart
from incidents.figures import Figures, Page, figures
from incidents.model import Entry, Incident, Part
from incidents.review import Material, Review
from pipeline.desk import alerts, tables
from pipeline.desk.bulk import upsert
from pipeline.desk.incidents import store
from schemas.alert import decode_alert
from schemas.desk import Desk
from schemas.levels import LEVELS


class _Paged(msgspec.Struct):
    people: list[str] = []


_r, _p, _i, _t = tables.reviews.c, tables.pages.c, tables.incidents.c, tables.timeline.c
_encode = msgspec.json.Encoder().encode
_review = msgspec.json.Decoder(Review)
_incident = msgspec.json.Decoder(Incident)
_entry = msgspec.json.Decoder(Entry)
_CHARTS_MAX = 12
_page = msgspec.json.Decoder(_Paged)
_POINTS_MIN = 2
_BY_PEOPLE = (
    "opened", "state", "comment", "edited", "merged", "split", "role", "severity", "task", "update", "verdict",
)  # fmt: skip
_US = "tidegauge"


def newest(conn: Connection, number: int) -> Review | None:
    body = conn.execute(select(_r.body).where(_r.incident == number).order_by(_r.version.desc()).limit(1)).scalar()
    return None if body is None else _review.decode(body)


def get(conn: Connection, number: int, version: int) -> Review | None:
    body = conn.execute(select(_r.body).where(_r.incident == number, _r.version == version)).scalar()
    return None if body is None else _review.decode(body)


def versions(conn: Connection, number: int) -> list[Review]:
    """Oldest first."""
    asked = select(_r.body).where(_r.incident == number).order_by(_r.version)
    return [_review.decode(body) for body in conn.execute(asked).scalars()]


def put(conn: Connection, made: Review) -> None:
    """New, or in place of the one with its version."""
    upsert(conn, tables.reviews, [{"incident": made.incident, "version": made.version, "body": _encode(made)}])


def material(conn: Connection, desk: Desk, incident: Incident, now_s: float) -> Material:
    parts = store.parts(conn, incident.number, with_left=True)
    held = [part for part in parts if part.left_s is None]
    end_s = now_s if incident.resolved_s is None else incident.resolved_s
    plan = desk.response.incidents.triage.impact
    return Material(
        incident=incident,
        parts=parts,
        entries=store.entries(conn, incident.number),
        charts=drawn(conn, held),
        facts=impact.facts(held, plan, desk.service_label, end_s) if held else None,
        paged=Counter(page.person for page in _pages(conn, _p.incident == incident.number)),
        now_s=now_s,
    )


def drawn(conn: Connection, parts: Sequence[Part]) -> list[Chart]:
    """Of the worst alerts, those that began first before others; each with all points that its events brought."""
    found: list[Chart] = []
    for part in sorted(parts, key=lambda one: (-LEVELS.index(one.worst), one.starts_at_s, one.episode)):
        if len(found) == _CHARTS_MAX:
            break
        events = [decode_alert(body) for body in alerts.events(conn, part.episode)]
        pieces = [(event.evidence.t, event.evidence.v) for event in events]
        times, values = charts.points(pieces)
        if len(times) < _POINTS_MIN:
            continue
        banded = next((one for one in reversed(events) if one.lower is not None and one.upper is not None), None)
        labels = ", ".join(f"{k}={v}" for k, v in sorted(part.labels.items()) if k not in ("alertname", "metric"))
        chart = Chart(
            title=f"{part.name}: {part.labels.get('metric', 'value')} {{{labels}}}",
            t=times,
            v=values,
            lower=banded.lower if banded else None,
            upper=banded.upper if banded else None,
            from_s=part.starts_at_s,
            to_s=None if part.is_firing else part.ends_at_s,
        )
        found.append(chart)
    return found


def template_of(desk: Desk) -> str:
    """A file of the config with the right name, else ours."""
    return next(
        (text for file, text in sorted(desk.templates.items()) if PurePath(file).name == review.TEMPLATE_FILE),
        review.TEMPLATE,
    )


def figures_of(conn: Connection, desk: Desk, from_s: float, to_s: float) -> Figures:
    opened = select(_i.body).where(_i.opened_s >= from_s, _i.opened_s < to_s).order_by(_i.number)
    found = [_incident.decode(body) for body in conn.execute(opened).scalars()]
    acted = (
        select(_t.incident, _t.body)
        .join(tables.incidents, _i.number == _t.incident)
        .where(_i.opened_s >= from_s, _i.opened_s < to_s, _t.what.in_(_BY_PEOPLE))
    )
    touched = {row.incident for row in conn.execute(acted) if _entry.decode(row.body).by not in ("", _US)}
    pages = _pages(conn, _p.at_s >= from_s, _p.at_s < to_s)
    zones = {person.name: person.time_zone for person in desk.response.oncall.people.values()}
    return figures(found, touched, pages, zones, from_s, to_s)


def _pages(conn: Connection, *where: ColumnElement[bool]) -> list[Page]:
    """Somebody who is told by several receivers at once is paged once."""
    asked = select(_p.incident, _p.at_s, _p.body).where(*where)
    found = {
        Page(row.incident, person, row.at_s) for row in conn.execute(asked) for person in _page.decode(row.body).people
    }
    return sorted(found, key=lambda page: (page.at_s, page.incident, page.person))
