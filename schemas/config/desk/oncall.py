"""`oncall:` of the config, as it is written, and as `OnCallPlan`."""

from pydantic import BaseModel

from schemas.config.checking import Checking
from schemas.config.desk.names import Names
from schemas.config.section import Section
from schemas.response.oncall import OnCallPlan


class FileOnCall(Section):
    """Who can be told, and who is on call when."""


def oncall_of(written: FileOnCall, names: Names, checking: Checking) -> OnCallPlan:
    """Reports what is wrong in it; what it returns counts only where nothing was."""
    return OnCallPlan()


SECTIONS: dict[str, type[BaseModel]] = {"oncall": FileOnCall}
"""Where a mapping stands -> its model, for the page of all keys."""
