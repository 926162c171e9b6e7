"""What people do about alerts, as the config has it: incidents, who is on call, escalation, automation.

Made by `schemas/config/desk`; read by the rules in `incidents/` and by the shell. Times are seconds.
"""

from dataclasses import dataclass, field

from schemas.response.automation import AutomationPlan
from schemas.response.escalation import EscalationPlan
from schemas.response.incidents import IncidentPlan
from schemas.response.oncall import OnCallPlan


@dataclass(frozen=True)
class Response:
    """All four parts; each is empty where the config has none."""

    incidents: IncidentPlan = field(default_factory=IncidentPlan)
    oncall: OnCallPlan = field(default_factory=OnCallPlan)
    escalation: EscalationPlan = field(default_factory=EscalationPlan)
    automation: AutomationPlan = field(default_factory=AutomationPlan)
