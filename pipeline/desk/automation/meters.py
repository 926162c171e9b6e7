"""Automation's metrics, from the database: the same whichever desk is asked."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from incidents.remedies.guards import GUARDS
from incidents.remedies.lifecycle import STATES
from pipeline.desk.automation import acts, switch
from pipeline.desk.database import Database
from schemas.desk import Desk


def collected(db: Database, desk: Desk) -> Iterator[Metric]:
    counted, refused, paused = db.read(lambda conn: (acts.counted(conn), switch.refusals(conn), switch.paused(conn)))
    names = sorted({rule.name for rule in desk.response.automation.remedies} | {name for name, _ in counted})
    known = GaugeMetricFamily(
        "tidegauge_automation_acts", "Acts that are kept, by what they are in now", labels=["remedy", "state"]
    )
    for name in names:
        for state in STATES:
            known.add_metric([name, state], counted.get((name, state), 0))
    yield known
    refusals = CounterMetricFamily(
        "tidegauge_automation_refusals", "Acts that a guard held back, each reason once", labels=["guard"]
    )
    for guard in GUARDS:
        refusals.add_metric([guard], refused[guard])
    yield refusals
    yield GaugeMetricFamily("tidegauge_automation_paused", "1 while somebody has paused it", value=float(bool(paused)))
