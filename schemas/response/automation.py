"""What may be done without a person: `automation:` of the config."""

from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import BaseModel

from schemas.levels import Border, LevelName
from schemas.matchers import Matchers
from schemas.response.scaling import Scaling
from schemas.selector import Selector

Mode = Literal["off", "suggest", "dry_run", "auto"]
MODES: tuple[Mode, ...] = get_args(Mode)
"""From the least to the most; with two of them, the lesser counts."""


def lesser(one: Mode, other: Mode) -> Mode:
    """
    >>> lesser("auto", "suggest"), lesser("off", "auto"), lesser("suggest", "dry_run")
    ('suggest', 'off', 'dry_run')
    """
    # A dry run touches nothing whoever asks, so it is less than a suggestion that somebody may take up.
    order: tuple[Mode, ...] = ("off", "dry_run", "suggest", "auto")
    return min(one, other, key=order.index)


@dataclass(frozen=True)
class Limit:
    """At most `count` in any `window_s` seconds."""

    count: int
    window_s: float


@dataclass(frozen=True)
class RemedyRule:
    """One remedy: what it is for, what it does to what, how often, and who is told where it doesn't help.

    matchers, level, for_s: alerts that match, at that level or above, so long after the desk first saw them.
    kind, settings: a key of `incidents.remedies.kinds.KINDS` and its `Settings`.
    target: template of `naming.filled`, empty: as the kind names what it acts on. only: RE2 that a target must match
    whole, empty: any. limit: on one target; limit_all: on all of its targets.
    settle_s, verify_within_s: since it took effect, when it is first asked whether it helped, and until when it must.
    helped: where its metric is watched, it helped too when the newest value is over this border (`< 75`).
    attempts: in all; back_off_s: before the second, doubled each time. roll_back: where it didn't help.
    escalate_to: a policy, or `team:NAME` and the like; empty: the incident's own policy.
    hold_page_s: so long at most people aren't paged while it tries. approve_within_s: of a suggestion.
    active_time_intervals: names of the config's; only in one of them, empty: always. masking: more acts than that on
    one target that helped say that it hides a fault.
    """

    name: str
    matchers: Matchers
    kind: str
    settings: BaseModel
    mode: Mode = "suggest"
    level: LevelName = "warning"
    for_s: float = 0.0
    target: str = ""
    only: str = ""
    cooldown_s: float = 300.0
    limit: Limit = Limit(3, 3600.0)
    limit_all: Limit = Limit(10, 3600.0)
    settle_s: float = 30.0
    verify_within_s: float = 600.0
    helped: Border | None = None
    attempts: int = 1
    back_off_s: float = 60.0
    roll_back: bool = True
    escalate_to: str = ""
    hold_page_s: float = 0.0
    approve_within_s: float = 3600.0
    active_time_intervals: tuple[str, ...] = ()
    masking: Limit = Limit(3, 7 * 86_400.0)
    is_success_told: bool = True


@dataclass(frozen=True)
class AutomationPlan:
    """mode: the most that any remedy may do. storm: more different targets than that at once have a common cause.

    watch: further series, beside those of `scaling`, whose newest points the workers tell, every `load_every_s`.
    """

    mode: Mode = "off"
    storm: Limit = Limit(5, 600.0)
    remedies: tuple[RemedyRule, ...] = ()
    scaling: tuple[Scaling, ...] = ()
    watch: tuple[Selector, ...] = ()
    load_every_s: float = 5.0

    @property
    def watched(self) -> tuple[Selector, ...]:
        """Series whose newest points the workers tell the desk."""
        return (*self.watch, *(each.selector for each in self.scaling))

    def mode_of(self, rule: RemedyRule) -> Mode:
        return lesser(self.mode, rule.mode)
