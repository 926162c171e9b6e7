"""What an incident does to others, as far as its alerts tell: how many it concerns, how much fails, for how long.

Read from an alert, where it tells:

- share of traffic that fails: its highest value, where `impact.ratios` says that it is one (an error ratio); its
  annotation `impact_share`; times its label or annotation `traffic_share`, where the service has only that much of all
  traffic
- customers: labels of `impact.customer_labels`; the annotation `impact_customers`
- error budget: the annotation `error_budget_burned`; else outage time against what the objective leaves

A number is `0.12` or `12%`. Where several say something, the largest counts; where none does, that is said and counts
as nothing. Alerts that have ended count on, those that left don't.
"""

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from incidents.model import Part
from schemas.levels import LEVELS, LevelName
from schemas.response.triage import ImpactPlan

SHARE, WEIGHT, CUSTOMERS, BUDGET = "impact_share", "traffic_share", "impact_customers", "error_budget_burned"
_CUSTOMERS_MAX = 10**12


@dataclass(frozen=True)
class Facts:
    """level: the worst that any had. share: the largest, None: no alert tells. outage_s: so long all traffic would
    have had to fail for the same damage. budget: burned share of the error budget, None: nothing tells.
    """

    level: LevelName
    series: int
    services: tuple[str, ...]
    customers: int
    share: float | None
    outage_s: float
    budget: float | None

    def words(self) -> str:
        """
        >>> Facts("critical", 3, ("checkout",), 0, 0.12, 90.0, 0.035).words().split(", ")[1:4]
        ['3 series of checkout', '12% of traffic fails', '1.5 min of full outage']
        """
        of = f" of {', '.join(self.services[:3])}" + (" and others" if len(self.services) > 3 else "")
        said = [f"worst level {self.level}", f"{self.series} series" + (of if self.services else "")]
        said += [f"{self.customers:,} customers"] if self.customers else []
        share = "an unknown share" if self.share is None else percent(self.share)
        said.append(f"{share} of traffic fails")
        said += [f"{self.outage_s / 60:.3g} min of full outage"] if self.outage_s else []
        said += [f"{percent(self.budget)} of the budget burned"] if self.budget is not None else []
        return ", ".join(said)


def percent(share: float) -> str:
    """
    >>> percent(0.12), percent(0.0005), percent(1.0)
    ('12%', '0.05%', '100%')
    """
    return f"{share * 100:.3g}%"


def facts(parts: Sequence[Part], plan: ImpactPlan, service_label: str, now_s: float) -> Facts:
    """Of alerts that are in the incident; at least one. now_s: until when those that fire have lasted."""
    shares = [(part, share) for part in parts if (share := share_of(part, plan)) is not None]
    outage_s = _full_outage_s(
        (part.starts_at_s, now_s if part.is_firing else part.ends_at_s or part.updated_s, share)
        for part, share in shares
    )
    told = [burned for part in parts if (burned := _number(part.annotations.get(BUDGET))) is not None]
    if shares:
        told.append(outage_s / (plan.period_s * (1.0 - plan.objective)))
    return Facts(
        level=max((part.worst for part in parts), key=LEVELS.index),
        series=len({part.fingerprint for part in parts}),
        services=tuple(sorted({name for part in parts if (name := part.labels.get(service_label))})),
        customers=_customers(parts, plan),
        share=max((share for _, share in shares), default=None),
        outage_s=outage_s,
        budget=max(told, default=None),
    )


def share_of(part: Part, plan: ImpactPlan) -> float | None:
    """Share of all traffic that fails by this alert, 0 to 1."""
    told = [_number(part.annotations.get(SHARE))]
    if any(ratio.matches(part.labels) for ratio in plan.ratios):
        told += [part.value, part.highest]
    known = [share for share in told if share is not None and math.isfinite(share)]
    if not known:
        return None
    weight = _number(part.labels.get(WEIGHT, part.annotations.get(WEIGHT)))
    return _within(max(known)) * (1.0 if weight is None else _within(weight))


def _full_outage_s(spans: Iterable[tuple[float, float, float]]) -> float:
    """Sum over time of the largest share that failed at each moment: alerts about the same fault don't add up.

    >>> _full_outage_s([(0.0, 100.0, 0.1), (50.0, 100.0, 0.5)])
    30.0
    """
    waiting = sorted(span for span in spans if span[1] > span[0] and span[2] > 0.0)
    edges = sorted({edge for start_s, end_s, _ in waiting for edge in (start_s, end_s)})
    running: list[tuple[float, float]] = []  # -share, end
    total, at = 0.0, 0
    for begins_s, ends_s in pairwise(edges):
        while at < len(waiting) and waiting[at][0] <= begins_s:
            heapq.heappush(running, (-waiting[at][2], waiting[at][1]))
            at += 1
        while running and running[0][1] <= begins_s:
            heapq.heappop(running)
        if running:
            total += (ends_s - begins_s) * -running[0][0]
    return total


def _customers(parts: Sequence[Part], plan: ImpactPlan) -> int:
    named = {(name, value) for part in parts for name in plan.customer_labels if (value := part.labels.get(name))}
    told = [number for part in parts if (number := _number(part.annotations.get(CUSTOMERS))) is not None]
    return max([len(named), *(min(int(number), _CUSTOMERS_MAX) for number in told)])


def _number(text: str | None) -> float | None:
    """
    >>> _number("12%"), _number("0.12"), _number("about half"), _number("-1"), _number("nan")
    (0.12, 0.12, None, None, None)
    """
    try:
        bare = (text or "").strip()
        found = float(bare[:-1]) / 100.0 if bare.endswith("%") else float(bare)
    except ValueError:
        return None
    return found if math.isfinite(found) and found >= 0.0 else None


def _within(share: float) -> float:
    return min(max(share, 0.0), 1.0)
