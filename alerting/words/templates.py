"""Texts of notifications: those of the config, in Jinja2 or in Alertmanager's Go, made into what a channel can show.

Strict where a person looks (`check`, `preview`): whatever is wrong is an error with its line. At run time a message is
never lost: where a text fails, the default one goes out with a mark, and the reason is reported.

Which language: see `go_templates.is_go`; a text is one or the other, whole. Labels are data in both: a label that reads
`{{ 1 }}` or `<b>` is shown as that.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from jinja2 import Template, TemplateError, TemplateSyntaxError
from pydantic import AfterValidator, WithJsonSchema

from alerting.alert import Alert, Group, Notification, Told
from alerting.words import go_run, go_templates, jinja_sandbox, texts
from alerting.words.escaping import Channel
from alerting.words.go_printf import TEXT_CHARS_MAX
from alerting.words.go_tree import BrokenTemplate, Defines, Parsed
from alerting.words.named_templates import NAMED_TEMPLATES
from alerting.words.template_data import Fields, Look, data
from schemas.config.errors import closest

__all__ = ["BrokenTemplate", "TemplateText", "Templates", "Written"]

FAILED_MARK = " [the text of the config failed; see the desk's log]"
CUT_MARK = "… [cut]"
_CACHED_MAX = 1024


class Written(str):
    """A text of the config, with what it will stand in, and what stands for it where it fails.

    Goes to `Context.text` in place of a plain text, which is for a channel without markup and falls back to the title.
    """

    channel: Channel
    default: Callable[[Notification], str]
    is_marked: bool

    def __new__(
        cls,
        text: str,
        channel: Channel = "text",
        default: Callable[[Notification], str] = texts.title,
        is_marked: bool = True,
    ) -> "Written":
        """is_marked: whether the default says that it is one; not in a colour or an address."""
        written = super().__new__(cls, text)
        written.channel, written.default, written.is_marked = channel, default, is_marked
        return written


def checked(text: str) -> str:
    """The text, where it can be read. Raises ValueError with the line and what would do."""
    if go_templates.is_go(text):
        go_templates.parse(text)
    elif "{" in text:
        try:
            jinja_sandbox.Sandbox("text", True, lambda name: None).from_string(text)
        except TemplateSyntaxError as error:
            raise BrokenTemplate(str(error.message), error.lineno) from None
        except TemplateError as error:
            raise BrokenTemplate(str(error), 1) from None
    return text


TemplateText = Annotated[str, AfterValidator(checked), WithJsonSchema({"type": "string"})]
"""A setting whose value may be a template."""


@dataclass(frozen=True)
class _Rendered:
    text: str
    is_cut: bool


class Templates:
    """Compiles each text once. `files`: name of a file -> its text; report: is told why a text failed."""

    def __init__(
        self,
        files: Mapping[str, str] | None = None,
        external_url: str = "",
        link: texts.Link = lambda kind, name: "",
        report: Callable[[str], None] = lambda reason: None,
    ) -> None:
        """Raises ValueError with the file and the line where one of the files can't be read."""
        self._files = dict(files or {})
        self._external_url, self._link, self._report = external_url, link, report
        self._defines: Defines = dict(go_templates.parse(NAMED_TEMPLATES).defines)
        for name, text in self._files.items():
            try:
                checked(text)
                if go_templates.is_go(text):
                    self._defines |= go_templates.parse(text).defines
            except BrokenTemplate as error:
                raise ValueError(f"{name}:{error.line}: {error.message}") from None
        self._sandboxes: dict[tuple[Channel, bool], jinja_sandbox.Sandbox] = {}
        self._parsed = lru_cache(_CACHED_MAX)(go_templates.parse)
        self._compiled = lru_cache(_CACHED_MAX)(self._compile)
        self._last: tuple[Notification, Fields] | None = None

    def check(self, text: str, channel: Channel = "text") -> None:
        """Raises BrokenTemplate: the text can't be read, names what isn't there, or fails on a sample."""
        self.preview(text, SAMPLE, channel)

    def preview(self, text: str, note: Notification, channel: Channel = "text") -> str:
        """As it would be sent. Raises BrokenTemplate."""
        return self._made(text, note, channel, is_strict=True).text

    def render(self, text: str, note: Notification) -> str:
        """As it is sent. Never raises: see `Written`. This is `Context.text`."""
        written = text if isinstance(text, Written) else Written(text)
        if "{" not in text:
            return str(text)
        try:
            made = self._made(str(text), note, written.channel, is_strict=False)
        except BrokenTemplate as error:
            self._report(f"template {str(text)[:80]!r}: {error}; sent the default text")
            return written.default(note) + (FAILED_MARK if written.is_marked else "")
        if made.is_cut:
            self._report(f"template {str(text)[:80]!r}: more than {TEXT_CHARS_MAX} characters; the rest was cut")
        return made.text + (CUT_MARK if made.is_cut else "")

    def _made(self, text: str, note: Notification, channel: Channel, is_strict: bool) -> _Rendered:
        fields = self._data(note)
        if go_templates.is_go(text):
            parsed: Parsed = self._parsed(text)
            defines = {**self._defines, **parsed.defines}
            for include in parsed.includes():
                if include.name not in defines:
                    near = closest(include.name, defines)
                    said = f'did you mean "{near}"?' if near else "define it in one of the files of `templates`"
                    raise BrokenTemplate(f'no template "{include.name}"; {said}', include.line)
            made = _Rendered(*go_run.run(parsed.body, defines, fields, channel, note.at_s))
        else:
            made = self._jinja(text, fields.made(), channel, is_strict)
        return _Rendered(_with_web_addresses(made.text), made.is_cut) if channel == "html" else made

    def _jinja(self, text: str, names: dict[str, object], channel: Channel, is_strict: bool) -> _Rendered:
        try:
            template = self._compiled(text, channel, is_strict)
            parts: list[str] = []
            size = 0
            for part in template.generate({**names, jinja_sandbox.BUDGET: [jinja_sandbox.STEPS_MAX]}):
                parts.append(part)
                size += len(part)
                if size > TEXT_CHARS_MAX:
                    return _Rendered("".join(parts)[:TEXT_CHARS_MAX], True)
            return _Rendered("".join(parts), False)
        except TemplateSyntaxError as error:
            raise BrokenTemplate(str(error.message), error.lineno) from None
        # Whatever a text can do wrong, it must not take the message with it.
        except Exception as error:
            raise BrokenTemplate(f"{error}" or type(error).__name__, _line_of(error)) from None

    def _compile(self, text: str, channel: Channel, is_strict: bool) -> Template:
        key = channel, is_strict
        if key not in self._sandboxes:
            self._sandboxes[key] = jinja_sandbox.Sandbox(channel, is_strict, self._files.get)
        return self._sandboxes[key].from_string(text)

    def _data(self, note: Notification) -> Fields:
        """A message is a dozen texts over the same data."""
        last = self._last
        if last is None or last[0] is not note:
            last = self._last = (note, data(Look(note, self._external_url, self._link)))
        return last[1]


def _line_of(error: BaseException) -> int:
    """Jinja2 rewrites tracebacks so that they name the template's lines."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _with_web_addresses(text: str) -> str:
    """HTML in which links lead to the web, to mail or into the mail itself: a label's `javascript:` leads nowhere."""
    return _LINKS.sub(r"\1#", text)


_LINKS = re.compile(
    r"""((?:href|src|action|background|poster)\s*=\s*["'])(?!https?:|mailto:|tel:|cid:|data:image/|\#|/)[^"']*""",
    re.IGNORECASE,
)


def _sample() -> Notification:
    """Two alerts that fire and one that has ended, for a look at a text before it is needed."""
    at_s = 1_795_412_000.0

    def alert(service: str, is_firing: bool) -> Alert:
        return Alert(
            fingerprint="0" * 16, episode="0" * 32, seq=0, status="firing" if is_firing else "resolved",
            level="critical", labels={"alertname": "errors", "service": service, "severity": "critical"},
            annotations={"summary": "many errors", "description": "more errors than usual", "runbook_url": "https://a.b"},
            starts_at_s=at_s - 600, ends_at_s=None if is_firing else at_s, first_seen_s=at_s - 590, updated_s=at_s,
            generator_url="https://prometheus.example/graph", rule="errors", value=0.2, expected=0.01, lower=0.0,
            upper=0.05, deviation=9.0, score=2.0, why="Critical: value 0.2 is above 0.05.",
            evidence_t=[at_s - 60, at_s], evidence_v=[0.01, 0.2],
        )  # fmt: skip

    group = Group(
        id="0" * 32, kind="group", key='{}:{alertname="errors"}', receiver="sample", route="0",
        labels={"alertname": "errors"}, first_seen_s=at_s, next_flush_s=at_s,
    )  # fmt: skip
    told = [
        Told(alert("checkout", True), "new"),
        Told(alert("cart", True), "same"),
        Told(alert("web", False), "resolved"),
    ]
    return Notification(
        id="0" * 32, number=1, group=group, reason="new_alerts", alerts=told, at_s=at_s, repeat_interval_s=14_400.0
    )


SAMPLE = _sample()
