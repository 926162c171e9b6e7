"""`automation:` of the config, as it is written, and as `AutomationPlan`."""

from pydantic import BaseModel, Field

from schemas.config.checking import Checking
from schemas.config.desk import scaling
from schemas.config.desk.names import Names
from schemas.config.desk.scaling import FileScaling, scaling_of
from schemas.config.section import Section
from schemas.config.values import Duration, Match
from schemas.response.automation import AutomationPlan


class FileAutomation(Section):
    """What may be done without a person."""

    scaling: tuple[FileScaling, ...] = Field(
        default=(), max_length=1_000, description="Numbers of replicas that KEDA asks for."
    )
    watch: tuple[Match, ...] = Field(
        default=(),
        max_length=1_000,
        description="Further series, as PromQL selectors, whose newest points workers tell the desk.",
    )
    load_every_s: Duration = Field(
        default=5.0, gt=0, le=3600, validation_alias="load_every", description="How often they do."
    )


def automation_of(written: FileAutomation, names: Names, checking: Checking) -> AutomationPlan:
    """Reports what is wrong in it; what it returns counts only where nothing was."""
    return AutomationPlan(
        scaling=scaling_of(written.scaling, ("automation", "scaling"), checking),
        watch=written.watch,
        load_every_s=written.load_every_s,
    )


SECTIONS: dict[str, type[BaseModel]] = {"automation": FileAutomation, **scaling.SECTIONS}
"""Where a mapping stands -> its model, for the page of all keys."""
