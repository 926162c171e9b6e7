"""`automation.scaling` of the config, as it is written, and as `Scaling`s."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from schemas.config.checking import Checking
from schemas.config.errors import Path, shown
from schemas.config.section import Section
from schemas.config.values import Duration, Match
from schemas.response.scaling import Aggregate, Scaling


class FileScaling(Section):
    """A number of replicas that KEDA, or who else scales, asks for: `GET /api/desk/scaling/NAME`."""

    name: str = Field(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="Its name in the address; once.")
    metric: Match = Field(description="Series that are its load: a PromQL selector. Workers publish them for it.")
    aggregate: Aggregate = Field(
        default="sum",
        description="`sum`: all series together are the load of all replicas. `avg`, `max`: each replica has one of "
        "the series, and this of them is what each should bear.",
    )
    target: float = Field(gt=0, description="Load that one replica should have.")
    min: int = Field(default=1, ge=0, le=10_000, description="Never fewer replicas than these.")
    max: int = Field(ge=1, le=10_000, description="Never more than these.")
    lead_s: Duration = Field(
        default=60.0,
        le=3600,
        validation_alias="lead",
        description="So far ahead the trend counts where it rises: about as long as a replica takes to start.",
    )
    stale_after_s: Duration = Field(
        default=120.0,
        gt=0,
        validation_alias="stale_after",
        description="A series whose newest point is older doesn't count; without any there is an error, never a 0.",
    )
    stabilise_down_s: Duration = Field(
        default=300.0,
        le=86_400,
        validation_alias="stabilise_down",
        description="Down to the highest number that was needed in this time, no further.",
    )
    step_up_max: int | None = Field(default=None, ge=1, description="So many more at once.")
    step_down_max: int | None = Field(default=None, ge=1, description="So many fewer at once.")


def scaling_of(written: Sequence[FileScaling], at: Path, checking: Checking) -> tuple[Scaling, ...]:
    """Reports what is wrong in it; what it returns counts only where nothing was."""
    names: dict[str, int] = {}
    for position, each in enumerate(written):
        here = (*at, position)
        if each.name in names and not checking.broken((*here, "name")):
            line = checking.written.line((*at, names[each.name], "name"))
            checking.report((*here, "name"), f"{shown(each.name)} is on line {line} already; give each its own name")
        names.setdefault(each.name, position)
        if each.min > each.max and not checking.broken((*here, "min")):
            checking.report((*here, "min"), f"must not be above max ({each.max}), got {each.min}")
    return tuple(
        Scaling(
            name=each.name,
            selector=each.metric,
            target=each.target,
            replicas_max=each.max,
            aggregate=each.aggregate,
            replicas_min=each.min,
            lead_s=each.lead_s,
            stale_after_s=each.stale_after_s,
            stabilise_down_s=each.stabilise_down_s,
            step_up_max=each.step_up_max,
            step_down_max=each.step_down_max,
        )
        for each in written
    )


SECTIONS: dict[str, type[BaseModel]] = {"automation.scaling[]": FileScaling}
"""Where a mapping stands -> its model, for the page of all keys."""
