"""Whether an incident's pages wait for a remedy that may still help: `hold_page`."""

from incidents.remedies.course import holds_page
from pipeline.desk.automation import acts
from pipeline.desk.incidents.scene import Scene
from schemas.alert import rfc3339


def why(scene: Scene) -> str:
    """Empty: nothing holds them. Counted from when the incident was opened, or reopened; what has failed, or of which
    nobody knows, holds nothing."""
    rules = {rule.name: rule for rule in scene.desk.response.automation.remedies if rule.hold_page_s}
    if not rules:
        return ""
    incident = scene.incident
    since_s = incident.opened_s if incident.reopened_s is None else incident.reopened_s
    for act in acts.of_incident(scene.conn, incident.number):
        rule = rules.get(act.remedy)
        until_s = since_s + rule.hold_page_s if rule is not None else 0.0
        if act.mode == "auto" and holds_page(act) and until_s > scene.now_s:
            return f"{act.name} may mend it, until {rfc3339(until_s)[11:19]} UTC at most"
    return ""
