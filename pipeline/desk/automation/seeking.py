"""Looks through what fires for alerts that a remedy is for: once a second, while automation is on.

An alert that is in no incident gets one, so that what is done about it has a timeline: one for each remedy and service,
in a storm one for each remedy. An incident that has such an alert in it is looked at. How many targets would be touched
is kept for the guard against storms.
"""

from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from alerting.alert import Alert
from incidents.model import Incident, Line
from incidents.opening import AUTOMATION
from incidents.remedies.plan import Candidate, candidates
from pipeline.desk import alerts, rounds
from pipeline.desk.automation import acts, switch
from pipeline.desk.automation.facts import seen_of, why_muted
from pipeline.desk.automation.targets import target_of
from pipeline.desk.database import Database
from pipeline.desk.incidents import store
from pipeline.desk.incidents.opening import part_of
from schemas.desk import Desk
from schemas.levels import LevelName

_SEVERITY: dict[LevelName, int] = {"critical": 2, "warning": 3, "info": 4}


def seek(db: Database, desk: Desk, now_s: float) -> int:
    """Returns how many incidents were opened or joined."""
    plan = desk.response.automation
    if plan.mode == "off" or not plan.remedies:
        return 0
    found = db.read(partial(_look, desk=desk, now_s=now_s))
    if not found.is_news:
        return 0
    return db.write(partial(_take, desk=desk, now_s=now_s))


@dataclass(frozen=True)
class _Found:
    """targets: that would be touched, and those that were known. homeless: in no incident. new: (incident, of it)."""

    targets: frozenset[str]
    known: frozenset[str]
    homeless: list[Candidate]
    new: set[int]

    @property
    def is_news(self) -> bool:
        return bool(self.homeless or self.new) or self.targets != self.known


def _look(conn: Connection, desk: Desk, now_s: float) -> _Found:
    seen = [seen_of(alert) for alert in alerts.firing(conn) if alert.origin != "self"]
    wanted = candidates(desk.response.automation, seen, target_of)
    due = [one for one in wanted if one.alert.first_seen_s + one.rule.for_s <= now_s]
    holding = store.holding(conn, [one.alert.episode for one in due])
    there = acts.known(conn, set(holding.values()))
    open_ = {one.number for one in store.listed(conn, store.NOT_OVER) if one.number in set(holding.values())}
    new = {
        number
        for one in due
        if (number := holding.get(one.alert.episode)) in open_ and (number, one.rule.name, one.target) not in there
    }
    homeless = [one for one in due if one.alert.episode not in holding]
    if homeless:
        stand = alerts.many(conn, {one.alert.fingerprint for one in homeless})
        muters = rounds.muters(conn, desk, now_s)
        # Of what is held back nobody is to hear, and nothing is done about it.
        homeless = [one for one in homeless if not why_muted(desk, muters, stand[one.alert.fingerprint])]
    targets = frozenset(sorted({one.target for one in wanted if one.target})[: switch.TARGETS_MAX])
    return _Found(targets, switch.wanted(conn), homeless, new)


def _take(conn: Connection, desk: Desk, now_s: float) -> int:
    found = _look(conn, desk, now_s)
    if found.targets != found.known:
        switch.set_wanted(conn, found.targets)
    for number in found.new:
        store.look_again(conn, number, now_s)
    is_storm = len(found.targets) > desk.response.automation.storm.count
    for one in found.homeless:
        _house(conn, desk, one, is_storm, now_s)
    return len(found.homeless)


def _house(conn: Connection, desk: Desk, wanted: Candidate, is_storm: bool, now_s: float) -> None:
    """Into the open incident of its remedy and service, or into a new one."""
    alert = alerts.get(conn, wanted.alert.fingerprint)
    if alert is None or store.holding(conn, [alert.episode]):
        return
    service = "" if is_storm else alert.labels.get(desk.service_label, "")
    labels = {"remedy": wanted.rule.name, "service": service}
    same = [one for one in store.listed(conn, store.NOT_OVER) if one.rule == AUTOMATION and one.labels == labels]
    if same:
        text = f"{_title(alert)} joined: remedy {wanted.rule.name} is for it"
        store.append(conn, same[0].number, [Line(what="joined", text=text, by="automation")], now_s)
        store.put_parts(conn, [part_of(alert, now_s, same[0].number)])
        store.look_again(conn, same[0].number, now_s)
        return
    draft = Incident(
        number=0,
        title=_title(alert),
        severity=_SEVERITY[alert.level],
        severity_reason=f"its alert is {alert.level}",
        service=service,
        labels=labels,
        rule=AUTOMATION,
        opened_by="automation",
        opened_s=now_s,
        detected_s=min(now_s, alert.starts_at_s),
        updated_s=now_s,
    )
    text = f"opened: remedy {wanted.rule.name} is for {_title(alert)}, which is in no incident"
    made = store.create(conn, draft, [Line(what="opened", text=text, by="automation")], now_s)
    store.put_parts(conn, [part_of(alert, now_s, made.number)])


def _title(alert: Alert) -> str:
    return alert.annotations.get("summary") or alert.labels.get("alertname", alert.rule)
