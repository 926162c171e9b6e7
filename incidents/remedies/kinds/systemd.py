"""A unit of systemd on the desk's own machine: restarted by systemctl, and looked at afterwards."""

import re
from collections.abc import Generator, Mapping
from typing import Literal

from pydantic import Field, model_validator

from incidents.remedies.base import Context, Conversation, Done, Intent, Remedy
from incidents.remedies.labels import LabelSettings, is_label
from incidents.remedies.wire import said
from schemas.calls import ExecCall, Refused, Reply, Retry
from schemas.config.errors import shown
from schemas.config.values import Duration

# systemd.unit(5): letters, digits, and `:-_.\@`, at most 255 characters, with the type at its end.
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,240}\.(service|socket|timer|target|path|mount|slice|scope)")
_ENV = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
_STATE = ("LoadState", "ActiveState", "ActiveEnterTimestamp")
_RUNS = ("active", "reloading")


class SystemdSettings(LabelSettings):
    """A unit of the machine that the desk runs on, whose user must be allowed it: by polkit, or by being root."""

    unit: str = Field(min_length=1, description="Unit with its type, such as `web.service`, or `{label}`.")
    act: Literal["restart", "try-restart", "reload-or-restart", "start"] = Field(
        default="restart", description="What systemctl is asked for; `try-restart` starts nothing that is stopped."
    )
    systemctl: str = Field(default="/usr/bin/systemctl", pattern="^/", description="The program, by its whole path.")
    timeout_s: Duration = Field(
        default=90.0, gt=0, le=3600, validation_alias="timeout", description="How long systemctl may take."
    )

    @model_validator(mode="after")
    def _is_a_unit(self) -> "SystemdSettings":
        self.check_labels([self.unit])
        if not is_label(self.unit) and not _UNIT.fullmatch(self.unit):
            raise ValueError(f"unit: not the name of a unit: {shown(self.unit)}; write for example web.service")
        return self


class Systemd(Remedy):
    """systemctl waits for the unit: exit 0 says that it has been started."""

    kind = "systemd"
    Settings = SystemdSettings

    settings: SystemdSettings

    def target(self, labels: Mapping[str, str]) -> str:
        unit = self.settings.value(self.settings.unit, labels)
        if not _UNIT.fullmatch(unit):
            raise Refused(f"not the name of a unit: {shown(unit)}")
        return unit

    def act(self, intent: Intent, context: Context) -> Conversation:
        unit, verb = self.target(intent.labels), self.settings.act
        before = yield from self._state(unit)
        if before["LoadState"] != "loaded":
            raise Refused(f"systemd has no unit {unit} to {verb}: it is {before['LoadState']}")
        if intent.is_dry_run:
            return Done(f"would {verb} {unit}, which is {before['ActiveState']}")
        reply = yield self._call(verb, "--", unit)
        if reply.status != 0:
            raise Refused(f"{_said(reply, verb)}; see journalctl -u {unit}")
        after = yield from self._state(unit)
        if after["ActiveState"] not in _RUNS:
            raise Refused(f"{unit} was asked to {verb} and is {after['ActiveState']}; see journalctl -u {unit}")
        return Done(f"{verb} of {unit}: it is {after['ActiveState']}", before, after)

    def verify(self, intent: Intent, context: Context) -> Conversation | None:
        """It was restarted where it became active after the intent was written; by whom, systemd doesn't say."""
        return None if self.settings.act == "reload-or-restart" else self._verify(intent)

    def _verify(self, intent: Intent) -> Conversation:
        unit = self.target(intent.labels)
        state = yield from self._state(unit)
        since_s = _unix_s(state["ActiveEnterTimestamp"])
        if since_s is None:
            raise Retry(f"systemd does not say since when {unit} is {state['ActiveState']}")
        # systemd tells whole seconds.
        if state["ActiveState"] in _RUNS and since_s >= int(intent.now_s):
            return Done(f"{unit} has become active since", {}, state)
        raise Refused(f"{unit} is {state['ActiveState']} and was not started since")

    def _state(self, unit: str) -> Generator[ExecCall, Reply, dict[str, str]]:
        reply = yield self._call("show", *(f"--property={name}" for name in _STATE), "--timestamp=unix", "--", unit)
        if reply.status != 0:
            raise Refused(_said(reply, "show"))
        pairs = dict(line.split("=", 1) for line in reply.body.decode("utf-8", "replace").splitlines() if "=" in line)
        return {name: said(pairs.get(name, "unknown"), chars_max=60) for name in _STATE}

    def _call(self, *words: str) -> ExecCall:
        argv = (self.settings.systemctl, "--no-ask-password", "--no-pager", *words)
        return ExecCall(argv, _ENV, timeout_s=self.settings.timeout_s)


def _said(reply: Reply, verb: str) -> str:
    return f"systemctl {verb} exited with {reply.status}: {said(reply.body)}"


def _unix_s(text: str) -> int | None:
    """
    >>> _unix_s("@1795412000"), _unix_s("n/a")
    (1795412000, None)
    """
    return int(text[1:]) if text[:1] == "@" and text[1:].isdigit() else None
