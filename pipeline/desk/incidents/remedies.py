"""What automation does about an incident: which acts there are, and what each does next but being run."""

from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from incidents.remedies import telling
from incidents.remedies.course import Move, move
from incidents.remedies.lifecycle import FINAL, Verb, after
from incidents.remedies.model import Act, act_id
from incidents.remedies.plan import Candidate, candidates, is_due, newest
from pipeline.desk import intake
from pipeline.desk.automation import acts, masking, switch
from pipeline.desk.automation.facts import World
from pipeline.desk.automation.targets import target_of
from pipeline.desk.external import External
from pipeline.desk.incidents import paging
from pipeline.desk.incidents.scene import Scene
from schemas.response.automation import RemedyRule

logger = structlog.get_logger(__name__)
HELPED = "TidegaugeRemedyHelped"
SUGGESTED = "TidegaugeRemedySuggested"
_TOLD_FOR_S = 900.0
_STEPS_MAX = 8  # of one act in one look; a circle would be a mistake of ours


def attend(scene: Scene) -> float | None:
    """When the first of its acts wants to be looked at again."""
    known = acts.of_incident(scene.conn, scene.incident.number)
    if not scene.desk.response.automation.remedies and not known:
        return None
    return _Attending(scene, known).run()


@dataclass
class _Attending:
    scene: Scene
    known: list[Act]

    def run(self) -> float | None:
        scene, plan = self.scene, self.scene.desk.response.automation
        rules = {rule.name: rule for rule in plan.remedies}
        prints = {part.fingerprint for part in scene.parts} | {act.fingerprint for act in self.known}
        self._world = World(scene.conn, scene.desk, scene.now_s, prints)
        joined = {part.fingerprint for part in scene.parts}
        seen = [alert for alert in self._world.seen() if alert.fingerprint in joined]
        wanted = {} if scene.incident.is_over else {
            (one.rule.name, one.target): one for one in candidates(plan, seen, target_of)
        }  # fmt: skip
        last = newest(self.known)
        for key, one in wanted.items():
            if is_due(last.get(key), one):
                self._make(one, (last[key].attempt + 1) if key in last else 1)
        times = []
        # Each step may make another act (a next attempt), which gets its turn too.
        for act in self.known:
            if act.state not in FINAL:
                times.append(self._follow(act, rules.get(act.remedy), wanted.get((act.remedy, act.target))))
        return min((at_s for at_s in times if at_s is not None), default=None)

    def _make(self, wanted: Candidate, attempt: int) -> None:
        scene, rule = self.scene, wanted.rule
        number = scene.incident.number
        act = Act(
            id=act_id(number, rule.name, wanted.target, attempt),
            incident=number,
            remedy=rule.name,
            kind=rule.kind,
            target=wanted.target,
            attempt=attempt,
            mode=scene.desk.response.automation.mode_of(rule),
            made_s=scene.now_s,
            escalate_to=rule.escalate_to,
            **_as_now(wanted),
        )
        acts.add(scene.conn, act, scene.now_s)
        self.known.append(act)

    def _retry(self, act: Act, rule: RemedyRule) -> None:
        """The next attempt: for the same alert, after a pause."""
        again = Act(
            id=act_id(act.incident, act.remedy, act.target, act.attempt + 1),
            incident=act.incident,
            remedy=act.remedy,
            kind=rule.kind,
            target=act.target,
            attempt=act.attempt + 1,
            tried=act.tried + 1,
            mode=self.scene.desk.response.automation.mode_of(rule),
            fingerprint=act.fingerprint,
            episode=act.episode,
            labels=act.labels,
            level=act.level,
            value=act.value,
            why=act.why,
            made_s=self.scene.now_s,
            not_before_s=self.scene.now_s + rule.back_off_s * 2 ** (act.tried - 1),
            escalate_to=rule.escalate_to,
        )
        acts.add(self.scene.conn, again, self.scene.now_s)
        self.known.append(again)

    def _follow(self, act: Act, rule: RemedyRule | None, wanted: Candidate | None) -> float | None:
        """Until it waits for somebody or something. Returns when to look again."""
        for _ in range(_STEPS_MAX):
            facts = self._world.facts(act, rule, wanted, is_over=self.scene.incident.is_over)
            step = move(act, rule, facts)
            if step.verb is None or (step.verb == "hold" and (step.reason, step.guard) == (act.reason, act.guard)):
                return step.again_s
            act = self._do(act, rule, wanted, step, step.verb)
            if act.state in FINAL or step.verb == "hold":
                return step.again_s
        raise RuntimeError(f"{act.name} goes in circles at {act.state}")

    def _do(self, act: Act, rule: RemedyRule | None, wanted: Candidate | None, step: Move, verb: Verb) -> Act:
        scene, now_s = self.scene, self.scene.now_s
        changed = msgspec.structs.replace(
            act, state=after(act.state, verb), reason=step.reason or act.reason, guard=step.guard
        )
        match verb:
            case "suggest" if rule is not None:
                changed = msgspec.structs.replace(changed, approve_by_s=now_s + rule.approve_within_s)
            case "intend":
                fresh = {} if wanted is None else _as_now(wanted)
                changed = msgspec.structs.replace(changed, intended_s=now_s, **fresh)
            case "put_back":
                changed = msgspec.structs.replace(changed, intended_s=None)
            case "go_by_metric":
                late_s = now_s + (rule.verify_within_s if rule is not None else 0.0)
                changed = msgspec.structs.replace(changed, done_s=now_s, verify_by_s=late_s, can_retry=False)
            case "fail":
                changed = msgspec.structs.replace(changed, can_retry=act.can_retry and act.took_effect is not None)
            case "undo":
                changed = msgspec.structs.replace(changed, undo_s=now_s)
            case "lose":
                changed = msgspec.structs.replace(changed, undone=step.reason)
        if changed.state in FINAL:
            changed = msgspec.structs.replace(changed, ended_s=now_s)
        saved = acts.save(scene.conn, changed, step.again_s)
        if saved is None:
            raise RuntimeError(f"{act.name} was changed by somebody else in this transaction")
        self.known[[one.id for one in self.known].index(act.id)] = saved
        self._world.forget_acts()
        text = telling.line(saved)
        scene.write("act", text.text, by=text.by, details=text.details)
        if step.guard:
            switch.count_refusal(scene.conn, step.guard)
        match verb:
            case "suggest":
                self._suggested(saved)
            case "retry" if rule is not None:
                self._retry(saved, rule)
            case "escalate" | "page":
                self._escalate(saved)
            case "verify":
                self._helped(saved, rule)
        return saved

    def _escalate(self, act: Act) -> None:
        scene = self.scene
        if act.guard == "storm" and (other := _told_of_storm(scene, act)) is not None:
            scene.write("escalation", f"{act.name}: people were paged about this storm in INC-{other.incident}")
            return
        whom = (
            act.escalate_to or scene.incident.policy or (f"team:{scene.incident.team}" if scene.incident.team else "")
        )
        same = [one for one in self.known if (one.remedy, one.target) == (act.remedy, act.target)]
        reason = f"automation could not mend it: {act.name}: {telling.tried(same)}"
        logger.warning("automation gives up", act=act.id, remedy=act.remedy, target=act.target, reason=act.reason)
        if not whom:
            scene.write("escalation", f"{reason}. Nobody is named to be paged: escalate_to of {act.remedy} is empty")
            return
        paging.escalate(scene, whom, reason)

    def _helped(self, act: Act, rule: RemedyRule | None) -> None:
        masking.look(self.scene, act, rule)
        if rule is None or not rule.is_success_told:
            return
        summary = f"{act.name} helped: {act.text or act.reason}"
        self._tell(HELPED, act, "info", summary, act.why, self.scene.now_s + _TOLD_FOR_S)

    def _suggested(self, act: Act) -> None:
        """A suggestion that stands in a list only is nobody's. It ends with the time in which it can be approved."""
        how = f"`tidegauge automation approve {act.id[:8]}` does it, `reject` doesn't"
        self._tell(SUGGESTED, act, "warning", f"{act.name} is suggested: {how}", act.why, act.approve_by_s)

    def _tell(self, name: str, act: Act, severity: str, summary: str, why: str, ends_at_s: float | None) -> None:
        """An alert about ourselves, by the routes. Its label `incident` keeps it from opening one."""
        scene = self.scene
        about = {"remedy": act.remedy, "target": act.target, "incident": scene.incident.id}
        told = External(
            labels={"alertname": name, **about, "severity": severity},
            annotations={"summary": summary, "description": f"{scene.incident.id} {scene.incident.title}: {why}"},
            starts_at_s=scene.now_s,
            ends_at_s=ends_at_s,
            origin="self",
        )
        intake.take_external(scene.conn, [told], scene.desk, scene.now_s)


def _as_now(wanted: Candidate) -> dict[str, Any]:
    """The alert as it stands."""
    alert = wanted.alert
    return {
        "fingerprint": alert.fingerprint,
        "episode": alert.episode,
        "labels": alert.labels,
        "level": alert.level,
        "value": alert.value,
        "why": alert.why,
    }


def _told_of_storm(scene: Scene, act: Act) -> Act | None:
    since_s = scene.now_s - scene.desk.response.automation.storm.window_s
    for other in acts.in_states(scene.conn, ["escalated"]):
        if other.guard == "storm" and other.id != act.id and (other.ended_s or 0.0) > since_s:
            return other
    return None
