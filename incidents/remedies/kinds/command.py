"""A program of one's own: its arguments as they stand, no shell, and of labels whole values that were allowed."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from incidents.remedies.base import Context, Conversation, Done, Intent, Remedy
from incidents.remedies.labels import LabelSettings, is_label
from incidents.remedies.wire import revealed, said
from schemas.calls import ExecCall, Refused, Reply, Retry
from schemas.config.errors import shown
from schemas.config.values import Duration, SecretText

_SAID_CHARS_MAX = 1000
_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


def _argv(argv: tuple[str, ...]) -> tuple[str, ...]:
    if argv and not PurePosixPath(argv[0]).is_absolute():
        raise ValueError(
            f"starts with {shown(argv[0])}; name the program by its whole path, such as /usr/local/bin/drain"
        )
    if any("\0" in each for each in argv):
        raise ValueError("holds a NUL, which no argument can")
    return argv


def _env(env: dict[str, object]) -> dict[str, object]:
    for name in env:
        if not name.isidentifier() or not name.isascii() or name.startswith(("LD_", "TIDEGAUGE_")):
            raise ValueError(
                f"{shown(name)} can't be set: a name has letters, digits and _, and LD_ and TIDEGAUGE_ aren't free"
            )
    return env


Argv = Annotated[tuple[str, ...], Field(min_length=1, max_length=100), AfterValidator(_argv)]


class CommandSettings(LabelSettings):
    """A program that is run without a shell, with no environment but what stands here."""

    argv: Argv = Field(description="Program, by its whole path, and arguments. `{label}` may be a whole argument.")
    verify: Argv | None = Field(
        default=None, description="Says after a crash whether it took effect: exit 0 yes, 1 no, other: nobody knows."
    )
    undo: Argv | None = Field(default=None, description="Takes it back.")
    env: Annotated[dict[str, str], AfterValidator(_env)] = Field(
        default_factory=dict,
        max_length=50,
        description="Environment, beside PATH, LANG and TIDEGAUGE_ID, _TARGET, _REMEDY.",
    )
    secrets: Annotated[dict[str, SecretText], AfterValidator(_env)] = Field(
        default_factory=dict, max_length=50, description="Environment too: name -> `${env:NAME}` or `file:PATH`."
    )
    folder: str = Field(default="/", pattern="^/", description="Folder that it runs in.")
    timeout_s: Duration = Field(
        default=30.0, gt=0, le=3600, validation_alias="timeout", description="It and all it has started is killed then."
    )

    @model_validator(mode="after")
    def _labels_are_allowed_for(self) -> "CommandSettings":
        self.check_labels([*self.argv, *(self.verify or ()), *(self.undo or ()), *self.env.values()])
        return self


class Command(Remedy):
    """Exit 0 is success. What it has done when it fails, only it knows: so that is told as it ended."""

    kind = "command"
    Settings = CommandSettings

    settings: CommandSettings

    def target(self, labels: Mapping[str, str]) -> str:
        """The program, and what labels make of its arguments."""
        named = [self.settings.value(each, labels) for each in self.settings.argv[1:] if is_label(each)]
        return " ".join([PurePosixPath(self.settings.argv[0]).name, *named])

    def act(self, intent: Intent, context: Context) -> Conversation:
        call = self._call(self.settings.argv, intent, context)
        if intent.is_dry_run:
            return Done(f"would run {_shown(call)}")
        reply = yield call
        return Done(_ended(call, reply))

    def verify(self, intent: Intent, context: Context) -> Conversation | None:
        return None if self.settings.verify is None else self._verify(self.settings.verify, intent, context)

    def undo(self, intent: Intent, done: Done, context: Context) -> Conversation | None:
        return None if self.settings.undo is None else self._undo(self.settings.undo, intent, context)

    def _verify(self, argv: Sequence[str], intent: Intent, context: Context) -> Conversation:
        call = self._call(argv, intent, context)
        reply = yield call
        if reply.status == 1:
            raise Refused(f"it has not taken effect: {_said(call, reply)}")
        if reply.status != 0:
            raise Retry(f"nobody knows: {_said(call, reply)}")
        return Done(_said(call, reply))

    def _undo(self, argv: Sequence[str], intent: Intent, context: Context) -> Conversation:
        call = self._call(argv, intent, context)
        if intent.is_dry_run:
            return Done(f"would run {_shown(call)}")
        reply = yield call
        return Done(_ended(call, reply))

    def _call(self, argv: Sequence[str], intent: Intent, context: Context) -> ExecCall:
        settings = self.settings
        own = {
            "TIDEGAUGE_ID": intent.id,
            "TIDEGAUGE_TARGET": self.target(intent.labels),
            "TIDEGAUGE_REMEDY": intent.remedy,
        }
        given = {name: settings.value(text, intent.labels) for name, text in settings.env.items()}
        secret = {name: revealed(each, context) for name, each in settings.secrets.items()}
        filled = tuple(settings.value(each, intent.labels) for each in argv)
        return ExecCall(filled, {**_ENV, **given, **secret, **own}, settings.folder, settings.timeout_s)


def _ended(call: ExecCall, reply: Reply) -> str:
    if reply.status != 0:
        raise Refused(f"{_said(call, reply)}; what it did before that stays done")
    return _said(call, reply)


def _said(call: ExecCall, reply: Reply) -> str:
    words = said(reply.body, chars_max=_SAID_CHARS_MAX)
    return f"{_shown(call)} exited with {reply.status}{f': {words}' if words else ''}"


def _shown(call: ExecCall) -> str:
    """
    >>> print(_shown(ExecCall(("/bin/drain", "web 1"))))
    /bin/drain 'web 1'
    """
    return " ".join(
        each if each and each.isascii() and not set(each) & set(" '\"\\$`;&|<>*?()") else repr(each)
        for each in call.argv
    )
