"""`incidents:` of the config, as it is written, and as `IncidentPlan`."""

from pydantic import BaseModel

from schemas.config.checking import Checking
from schemas.config.desk import triage
from schemas.config.desk.names import Names
from schemas.config.desk.triage import FileTriage, triage_of
from schemas.response.incidents import IncidentPlan


class FileIncidents(FileTriage):
    """How alerts become incidents."""


def incidents_of(written: FileIncidents, names: Names, checking: Checking) -> IncidentPlan:
    """Reports what is wrong in it; what it returns counts only where nothing was."""
    return IncidentPlan(triage=triage_of(written, names, checking))


SECTIONS: dict[str, type[BaseModel]] = {"incidents": FileIncidents, **triage.SECTIONS}
"""Where a mapping stands -> its model, for the page of all keys."""
