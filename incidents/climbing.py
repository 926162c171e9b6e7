"""The walk of one look over a policy's steps: who is paged now, what is left out and why, when the next look is due."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgspec

from incidents.escalation import TABLE, Act, Course, Facts, Move, Reach, What, acts
from schemas.duration import format_duration
from schemas.response.escalation import Policy, Step

LATE_S = 60.0  # later than that, the desk stood still: steps are skipped, not caught up one by one


def walk(
    course: Course, policy: Policy | None, facts: Facts, reach: Callable[[Step], Reach]
) -> tuple[Course, list[Move]]:
    """One look. Asked again at once it does nothing: what was done isn't due any more."""
    walker = _Walker(course, policy, facts, reach)
    if course.insists and facts.state in ("acknowledged", "mitigated"):
        walker.facts = replace(facts, state="open")
        walker.run()
        if walker.course.is_held:  # it pages when the planned work is over, whoever has it then
            return walker.course, walker.moves
        walker.facts = facts
    walker.run()
    return msgspec.structs.replace(walker.course, insists=False), walker.moves


class _Walker:
    def __init__(self, course: Course, policy: Policy | None, facts: Facts, reach: Callable[[Step], Reach]) -> None:
        self.course, self.facts, self.moves = course, facts, list[Move]()
        self._policy = policy or Policy(course.policy, ())
        self._is_there, self._reach = policy is not None, reach

    def run(self) -> None:
        for act in acts(self.course, self.facts, is_there=self._is_there):
            self._take(act)
        facts = self.facts
        self._set(version=facts.version, state=facts.state, acknowledged_s=facts.acknowledged_s)
        while (act_now := self._time()) is not None:
            if not self._take(act_now):
                break

    def _time(self) -> Act | None:
        """What time brings now. What was planned for is what the incident is: `run` has seen to that."""
        course, now_s = self.course, self.facts.now_s
        if course.expires_s is not None and course.expires_s <= now_s:
            return "ack_expired"
        if course.next_s is not None and course.next_s <= now_s:
            if course.step >= len(self._policy.steps) and course.round >= self._policy.repeat:
                return "exhausted"
            return "held" if self.facts.held else "due"
        return None

    def _take(self, act: Act) -> bool:
        """Whether there may be more to do now."""
        rule = TABLE[self.course.stage][act]
        before = self.course.stage
        facts = self.facts
        why = rule.why.format(
            by=facts.acknowledged_by or "somebody", merged=f"INC-{facts.merged_into}", held=facts.held
        )
        self._set(stage=rule.to)
        match rule.does:
            case "page":
                self._page()
            case "hold":
                if not self.course.is_held:
                    self._say("hold", f"step {self.course.step + 1} of {self._name} waits: {why}", self.course.step)
                self._set(is_held=True, next_s=facts.now_s)  # what waits isn't late
                return False
            case "end":
                self._end()
            case "attend":
                self._attend(why, is_news=before != "attended")
            case "restart":
                self._set(
                    step=0, round=0, next_s=facts.now_s + self._after(0), expires_s=None, is_dropped=False, why=why
                )
                self._say("expired" if act == "ack_expired" else "restart", f"{self._name} begins again: {why}")
            case "stop":
                if before != "stopped":
                    self._say("stop", f"{self._name} stops: {why}")
                self._set(next_s=None, expires_s=None, is_held=False, why=why, is_dropped=act == "dropped")
            case "stay":
                if before in ("at_end", "stopped"):
                    self._set(next_s=None, expires_s=None)
            case "go on":
                self._set(expires_s=None if act == "ack_expired" else self.course.expires_s)
                self._set(next_s=None if act == "exhausted" else self.course.next_s)
        return True

    def _attend(self, why: str, *, is_news: bool) -> None:
        """Goes on to the next step of this round that wants more than that somebody has it."""
        course, policy, facts = self.course, self._policy, self.facts
        next_s, step = course.next_s, course.step
        while step < len(policy.steps) and policy.steps[step].unless != "resolved":
            step += 1
            if next_s is not None and step < len(policy.steps):
                next_s += policy.steps[step].after_s
        if step >= len(policy.steps) or next_s is None:
            next_s = None
        expires_s = None
        if facts.state == "acknowledged" and policy.ack_expires_s is not None:
            expires_s = (facts.now_s if facts.acknowledged_s is None else facts.acknowledged_s) + policy.ack_expires_s
        self._set(step=step, next_s=next_s, expires_s=expires_s, is_held=False, why=why)
        if is_news:
            text = f"{self._name} pages nobody else: {why}"
            if next_s is not None:
                text = f"{self._name} goes on with step {step + 1}, which is told all the same: {why}"
            if expires_s is not None:
                text += f"; that lasts {format_duration(policy.ack_expires_s or 0.0)}"
            self._say("attend", text)

    def _page(self) -> None:
        """The step that is due, or what comes after the last."""
        course, policy, now_s = self.course, self._policy, self.facts.now_s
        if course.step >= len(policy.steps):
            self._set(round=course.round + 1, step=0, next_s=now_s + policy.steps[0].after_s)
            return
        missed = list(self._missed())
        at = len(missed) - 1
        while at > 0 and not self._works(missed[at][1]):
            at -= 1
        if at > 0:
            names = ", ".join(_step(round_, step) for round_, step in missed[:at])
            late = format_duration(round(now_s - (course.next_s or now_s)))
            self._say("skip", f"{self._name}: {names} not paged: the desk stood still, {late} late", course.step)
        round_, step = missed[at]
        self._set(round=round_, step=step, is_held=False)
        why = self._left_out(policy.steps[step])
        reach = Reach((), why) if why else self._reach(policy.steps[step])
        if reach.names:
            self._set(paged=self.course.paged + 1)
            self._say("page", f"{_step(round_, step)} of {self._name}", step)
        else:
            self._say("skip", f"{_step(round_, step)} of {self._name} pages nobody: {why or reach.why}", step)
        # Nobody there: the next needn't wait. One that isn't meant for this incident or hour keeps its time.
        self._plan(step + 1, at_once=not reach.names and not why)

    def _missed(self) -> Iterator[tuple[int, int]]:
        """Round and number of the steps whose time has come, by the plan; the first only, where the desk is in time."""
        course, policy, now_s = self.course, self._policy, self.facts.now_s
        at_s = now_s if course.next_s is None else course.next_s
        round_, step = course.round, course.step
        yield round_, step
        if now_s - at_s <= LATE_S or course.is_held:
            return
        while True:
            step += 1
            if step >= len(policy.steps):
                if round_ >= policy.repeat or course.stage == "attended":
                    return
                at_s += policy.repeat_after_s
                round_, step = round_ + 1, 0
            at_s += policy.steps[step].after_s
            if at_s > now_s:
                return
            if course.stage != "attended" or policy.steps[step].unless == "resolved":
                yield round_, step

    def _works(self, place: int) -> bool:
        step = self._policy.steps[place]
        return not self._left_out(step) and bool(self._reach(step).names)

    def _left_out(self, step: Step) -> str:
        """Why the step isn't for this incident, or this hour; empty: it is."""
        if step.severities and self.facts.severity not in step.severities:
            wanted = ", ".join(f"SEV{number}" for number in step.severities)
            return f"it is for {wanted}, this is SEV{self.facts.severity}"
        if step.time_intervals and not any(self.facts.is_in(name) for name in step.time_intervals):
            return f"it is not {' or '.join(step.time_intervals)} now"
        return ""

    def _plan(self, step: int, *, at_once: bool = False) -> None:
        policy, now_s = self._policy, self.facts.now_s
        if self.course.stage == "attended":
            self._set(step=step, next_s=now_s + self._after(step))
            self._attend(self.course.why, is_news=False)
        elif step < len(policy.steps):
            self._set(step=step, next_s=now_s if at_once else now_s + policy.steps[step].after_s)
        else:
            self._set(step=step, next_s=now_s + policy.repeat_after_s)

    def _end(self) -> None:
        why = "nobody moved" if self.course.paged else "it reached nobody"
        text = f"{why}; the policy {self._name} is at its end"
        if self._policy.hands_over and self.course.paged:
            why, text = "handed over", f"{self._name} is handed over: the policies of its receivers go on"
        self._set(next_s=None, why=why)
        self._say("end", text)

    def _after(self, step: int) -> float:
        return self._policy.steps[step].after_s if step < len(self._policy.steps) else 0.0

    @property
    def _name(self) -> str:
        return self._policy.name

    def _say(self, what: What, text: str, step: int | None = None) -> None:
        self.moves.append(Move(what, text, step, self.course.round))

    def _set(self, **fields: Any) -> None:
        self.course = msgspec.structs.replace(self.course, **fields)


def _step(round_: int, step: int) -> str:
    return f"step {step + 1}" + (f" (repeat {round_})" if round_ else "")
