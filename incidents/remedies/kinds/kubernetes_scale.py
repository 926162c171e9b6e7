"""More or fewer replicas, through the scale subresource, against the version that was read; never of what a
HorizontalPodAutoscaler (KEDA makes one too) looks after: the two would fight.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, model_validator

from incidents.remedies.base import Context, Conversation, Done, Intent, Remedy
from incidents.remedies.kubernetes import (
    MERGE,
    TRIES_MAX,
    KubernetesSettings,
    Object,
    Workload,
    listed,
    owners,
    version_of,
)
from incidents.remedies.scaling import Bounds, recommended
from schemas.calls import HttpCall, Refused, Reply, Retry


class KubernetesScaleSettings(KubernetesSettings):
    """How many replicas a deployment or stateful set shall have: `to`, `step`, or by `target`; one of them."""

    to: int | None = Field(default=None, ge=0, le=10_000, description="So many.")
    step: int | None = Field(default=None, ge=-1_000, le=1_000, description="So many more, or fewer where negative.")
    target: float | None = Field(
        default=None, gt=0, description="As many as bring the alert's value, which is the load on each, down to this."
    )
    min: int = Field(default=1, ge=0, le=10_000, description="Never fewer than these.")
    max: int = Field(ge=1, le=10_000, description="Never more than these.")
    step_max: int | None = Field(
        default=None, ge=1, le=1_000, description="With `target`: so many more or fewer at once."
    )

    @model_validator(mode="after")
    def _one_way(self) -> "KubernetesScaleSettings":
        if sum(each is not None for each in (self.to, self.step, self.target)) != 1:
            raise ValueError("needs one of to, step and target")
        if self.step == 0:
            raise ValueError("step: 0 changes nothing")
        if self.min > self.max:
            raise ValueError(f"min is {self.min} and max {self.max}; no number lies between")
        if self.to is not None and not self.min <= self.to <= self.max:
            raise ValueError(f"to is {self.to}, which is not between min ({self.min}) and max ({self.max})")
        return self


@dataclass(frozen=True)
class Goal:
    """replicas: how many there shall be; was: how many there were when that was decided."""

    replicas: int
    was: int
    reason: str


class KubernetesScale(Remedy):
    """Decided once, from what was found first. Others who come before are read, and the rest is decided anew."""

    kind = "kubernetes_scale"
    Settings = KubernetesScaleSettings

    settings: KubernetesScaleSettings

    def target(self, labels: Mapping[str, str]) -> str:
        return str(Workload.of(self.settings, labels))

    def act(self, intent: Intent, context: Context) -> Conversation:
        workload = Workload.of(self.settings, intent.labels)
        goal = _goal_of(intent.plan)
        for _ in range(TRIES_MAX):
            scale = yield from workload.get("/scale")
            yield from _unowned(workload)
            current = replicas_of(scale, workload)
            goal = self._goal(current, intent) if goal is None else _anew(goal, current)
            if goal.replicas < current:
                _check_lower(intent, current, goal.replicas)
            if goal.replicas == current:
                return Done(f"{workload} has {current} replicas: {goal.reason}", _count(current), _count(current))
            if intent.is_dry_run:
                text = f"would scale {workload} from {current} to {goal.replicas}: {goal.reason}"
                return Done(text, _count(current), _planned(goal))
            if (yield from _set(workload, version_of(scale), goal.replicas)):
                text = f"scaled {workload} from {current} to {goal.replicas}: {goal.reason}"
                return Done(text, _count(current), _count(goal.replicas))
        raise Refused(f"{workload}: others changed it {TRIES_MAX} times in between; nothing was changed")

    def verify(self, intent: Intent, context: Context) -> Conversation | None:
        wanted = self.settings.to if self.settings.to is not None else intent.plan.get("replicas")
        return self._verify(intent, wanted) if isinstance(wanted, int) else None

    def undo(self, intent: Intent, done: Done, context: Context) -> Conversation | None:
        before, after = done.before.get("replicas"), done.after.get("replicas")
        if not isinstance(before, int) or not isinstance(after, int) or before == after:
            return None
        return self._undo(intent, before, after)

    def _verify(self, intent: Intent, wanted: int) -> Conversation:
        workload = Workload.of(self.settings, intent.labels)
        found = replicas_of((yield from workload.get("/scale")), workload)
        if found != wanted:
            raise Refused(f"{workload} has {found} replicas, not {wanted}")
        return Done(f"{workload} has {found} replicas, as intended", {}, _count(found))

    def _undo(self, intent: Intent, before: int, after: int) -> Conversation:
        workload = Workload.of(self.settings, intent.labels)
        for _ in range(TRIES_MAX):
            scale = yield from workload.get("/scale")
            yield from _unowned(workload)
            current = replicas_of(scale, workload)
            if current != after:
                raise Refused(f"{workload} has {current} replicas, not {after} as we left it: left alone")
            if before < current:
                _check_lower(intent, current, before)
            if intent.is_dry_run:
                return Done(f"would scale {workload} back from {after} to {before}", _count(after), _count(before))
            if (yield from _set(workload, version_of(scale), before)):
                return Done(f"scaled {workload} back from {after} to {before}", _count(after), _count(before))
        raise Refused(f"{workload}: others changed it {TRIES_MAX} times in between; it was not scaled back")

    def _goal(self, current: int, intent: Intent) -> Goal:
        """Raises Refused where there is nothing to be had within the bounds."""
        settings = self.settings
        low, high = settings.min, settings.max
        if settings.to is not None:
            return Goal(settings.to, current, "as configured")
        if current == 0:
            raise Refused("somebody has scaled it to 0; it is not ours to start")
        if settings.step is not None:
            wanted, reason = current + settings.step, f"{settings.step:+d}"
        else:
            wanted, reason = self._by_target(current, intent)
        bounded = min(max(wanted, low), high)
        if wanted == current:
            raise Refused(f"it has {current} replicas, and needs no other number: {reason}")
        if (bounded - current) * (wanted - current) <= 0:
            raise Refused(f"it has {current} replicas, and may have {low} to {high}: no room for {reason}")
        return Goal(bounded, current, reason if bounded == wanted else f"{reason}, kept within {low} to {high}")

    def _by_target(self, current: int, intent: Intent) -> tuple[int, str]:
        settings = self.settings
        if settings.target is None or intent.value is None:
            raise Refused("the alert has no value to go by")
        bounds = Bounds(
            replicas_min=0, replicas_max=10_000, step_up_max=settings.step_max, step_down_max=settings.step_max
        )
        asked = [(at_s, done.after.get("replicas")) for at_s, done in intent.earlier]
        history = [(at_s, replicas) for at_s, replicas in asked if isinstance(replicas, int)]
        try:
            found = recommended(current, intent.value, settings.target, bounds, history, intent.now_s)
        except ValueError as error:
            raise Refused(str(error)) from None
        return found.replicas, found.reason


def _planned(goal: Goal) -> dict[str, Any]:
    return {"replicas": goal.replicas, "was": goal.was, "reason": goal.reason}


def _goal_of(plan: Mapping[str, Any]) -> Goal | None:
    """What was decided when it was looked at, which is what `verify` goes by."""
    replicas, was = plan.get("replicas"), plan.get("was")
    if not isinstance(replicas, int) or not isinstance(was, int):
        return None
    return Goal(replicas, was, str(plan.get("reason", "")))


def replicas_of(scale: Object, workload: Workload) -> int:
    """`spec.replicas` of a Scale, which leaves out a 0. Raises Refused."""
    found = (scale.get("spec") or {}).get("replicas", 0)
    if scale.get("kind") != "Scale" or not isinstance(found, int):
        raise Refused(f"{workload}/scale: not a Scale of autoscaling/v1 but {scale.get('kind')!r}")
    return found


def _anew(goal: Goal, current: int) -> Goal:
    """After somebody came before. What was decided stands; who went the other way meanwhile has the last word."""
    if (goal.replicas - goal.was) * (current - goal.was) < 0:
        raise Refused(
            f"somebody scaled it from {goal.was} to {current} meanwhile, away from {goal.replicas}: left to them"
        )
    if abs(current - goal.was) >= abs(goal.replicas - goal.was) and current != goal.was:
        return Goal(current, goal.was, f"somebody else saw to it ({goal.replicas} wanted)")
    return goal


def _check_lower(intent: Intent, current: int, replicas: int) -> None:
    """Raises Refused."""
    if not intent.may_lower:
        raise Refused(f"not lowered from {current} to {replicas}: a critical incident is open on the service")


def _set(workload: Workload, version: str, replicas: int) -> Generator[HttpCall, Reply, bool]:
    """False: it has changed since it was read. Raises Refused, or Retry where nobody knows."""
    change = {"metadata": {"resourceVersion": version}, "spec": {"replicas": replicas}}
    try:
        return (yield from workload.patch("/scale", change, MERGE)) is not None
    except Retry as lost:
        try:
            found = replicas_of((yield from workload.get("/scale")), workload)
        except Refused as failure:
            raise Retry(f"{lost.reason}; {failure.reason}") from None
        if found == replicas:
            return True
        raise


def _unowned(workload: Workload) -> Generator[HttpCall, Reply, None]:
    """Raises Refused where an autoscaler looks after it, and where that can't be known."""
    path = f"/apis/autoscaling/v2/namespaces/{workload.namespace}/horizontalpodautoscalers"
    what, right = f"the HorizontalPodAutoscalers of {workload.namespace}", "list horizontalpodautoscalers"
    found = yield from listed(workload.settings, path, what, right)
    for each in found:
        ref: dict[str, Any] = (each.get("spec") or {}).get("scaleTargetRef") or {}
        group = str(ref.get("apiVersion") or "apps/v1").partition("/")[0]
        if (ref.get("kind"), ref.get("name"), group) == (workload.kind, workload.name, "apps"):
            name = (each.get("metadata") or {}).get("name")
            keda = [owner for owner in owners(each) if owner.startswith("ScaledObject/")]
            who = (
                f"{keda[0]} of KEDA, by its HorizontalPodAutoscaler {name},"
                if keda
                else f"HorizontalPodAutoscaler {name}"
            )
            raise Refused(
                f"{who} looks after {workload}, and would undo it; change its bounds, or let it ask us how many "
                "(automation.scaling)"
            )


def _count(replicas: int) -> dict[str, int]:
    return {"replicas": replicas}
