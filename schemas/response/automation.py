"""What may be done without a person: `automation:` of the config."""

from dataclasses import dataclass
from typing import Literal

Mode = Literal["off", "suggest", "dry_run", "auto"]


@dataclass(frozen=True)
class AutomationPlan:
    """mode: the most that any remedy may do."""

    mode: Mode = "off"
