"""`escalation:` of the config, as it is written, and as `EscalationPlan`."""

from pydantic import BaseModel

from schemas.config.checking import Checking
from schemas.config.desk.names import Names
from schemas.config.section import Section
from schemas.response.escalation import EscalationPlan


class FileEscalation(Section):
    """Whom to tell next when nobody moves."""


def escalation_of(written: FileEscalation, names: Names, checking: Checking) -> EscalationPlan:
    """Reports what is wrong in it; what it returns counts only where nothing was."""
    return EscalationPlan()


SECTIONS: dict[str, type[BaseModel]] = {"escalation": FileEscalation}
"""Where a mapping stands -> its model, for the page of all keys."""
