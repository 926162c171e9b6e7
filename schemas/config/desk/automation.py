"""`automation:` of the config, as it is written, and as `AutomationPlan`."""

from typing import Literal

from pydantic import BaseModel, Field

from schemas.config.checking import Checking
from schemas.config.desk import remedies, scaling
from schemas.config.desk.names import Names
from schemas.config.desk.remedies import FileLimit, FileRemedy, Kinds, remedies_of
from schemas.config.desk.scaling import FileScaling, scaling_of
from schemas.config.section import Section
from schemas.config.values import Duration, Match
from schemas.response.automation import AutomationPlan


class FileAutomation(Section):
    """What may be done without a person."""

    mode: Literal["off", "suggest", "dry_run", "auto"] = Field(
        default="off", description="The most that any remedy may do, whatever its own mode says."
    )
    storm: FileLimit = Field(
        default=FileLimit(count=5, window_s=600.0),
        description="Where more different targets than that would be touched, nothing is done and people are paged: "
        "they have a common cause.",
    )
    remedies: tuple[FileRemedy, ...] = Field(
        default=(), max_length=1_000, description="What is done about which alerts."
    )
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


def automation_of(written: FileAutomation, kinds: Kinds, names: Names, checking: Checking) -> AutomationPlan:
    """Reports what is wrong in it; what it returns counts only where nothing was. kinds: of remedies."""
    return AutomationPlan(
        mode=written.mode,
        storm=written.storm.limit(),
        remedies=remedies_of(written.remedies, kinds, written.mode, names, checking),
        scaling=scaling_of(written.scaling, ("automation", "scaling"), checking),
        watch=written.watch,
        load_every_s=written.load_every_s,
    )


SECTIONS: dict[str, type[BaseModel]] = {"automation": FileAutomation, **remedies.SECTIONS, **scaling.SECTIONS}
"""Where a mapping stands -> its model, for the page of all keys."""
