"""Names that people give: of policies and teams, which the config has or hasn't."""

from schemas.config.errors import shown, suggestion
from schemas.desk import Desk


def check_names(desk: Desk, policy: str, team: str) -> None:
    """Empty: none. Raises ValueError."""
    known = (("policy", policy, desk.response.escalation.policies), ("team", team, desk.response.oncall.teams))
    for what, name, there in known:
        if name and name not in there:
            raise ValueError(f"no {what} {shown(name)}; {suggestion(name, there)}")


def policy_of(desk: Desk, policy: str, team: str) -> str:
    """The team's, where none is given."""
    found = desk.response.oncall.teams.get(team)
    return policy or (found.policy if found is not None else "")
