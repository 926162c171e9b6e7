"""`automation:` of the config, as it is written, and as `AutomationPlan`."""

from pydantic import BaseModel

from schemas.config.checking import Checking
from schemas.config.desk.names import Names
from schemas.config.section import Section
from schemas.response.automation import AutomationPlan


class FileAutomation(Section):
    """What may be done without a person."""


def automation_of(written: FileAutomation, names: Names, checking: Checking) -> AutomationPlan:
    """Reports what is wrong in it; what it returns counts only where nothing was."""
    return AutomationPlan()


SECTIONS: dict[str, type[BaseModel]] = {"automation": FileAutomation}
"""Where a mapping stands -> its model, for the page of all keys."""
