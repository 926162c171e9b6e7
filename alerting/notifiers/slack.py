"""Slack: by incoming webhook a message a notification; by bot token one message a group, changed as the group changes.

With a token the message is updated in place, what changed is told in its thread (and in the channel too where the level
rose or nobody came), and the picture of the first alert goes into the thread where the app may upload files.
"""

import json
from collections.abc import Generator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from pydantic import Field, model_validator

from alerting.alert import Alert, Group, Notification, Says
from alerting.notifiers.base import Call, Context, Conversation, Handle, Notifier
from alerting.notifiers.slack_message import (
    Message,
    SlackTexts,
    changes,
    clip_escaped,
    message,
    plain_message,
    with_buttons,
)
from alerting.notifiers.wire import json_body, retry_after_s, said, secret_of, settle
from alerting.words import pictures, texts
from alerting.words.escaping import line, plain, slack
from schemas.calls import HttpCall, Refused, Reply, Retry
from schemas.config.http_config import HttpConfig
from schemas.config.values import Duration, SecretAddress, SecretText, WebAddress

API_URL = "https://slack.com/api/"
_POST = "chat.postMessage"
ACKNOWLEDGED_CHARS_MAX = 3000  # ours: a line of a thread
_JSON = {"Content-Type": "application/json; charset=utf-8"}
# What Slack says when it is Slack's own trouble, or too much at once.
_RETRIED = {
    "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout",
    "rollup_error", "team_added_to_org",
}  # fmt: skip
# The message that we would change is gone, or too old to change: a new one takes its place.
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found", "no_message"}
# Our message is at fault, not we: the least of it may still pass.
_TOO_RICH = {
    "msg_blocks_too_long", "msg_too_long", "invalid_blocks", "invalid_blocks_format", "invalid_attachments",
    "too_many_attachments", "invalid_payload", "no_text",
}  # fmt: skip

Asking = Generator[Call, Reply, Message]


class SlackSettings(SlackTexts):
    """A Slack channel: by webhook (`api_url`), or by an app's token (`bot_token`), which keeps a message a group."""

    api_url: SecretAddress | None = Field(default=None, description="Address of an incoming webhook.")
    api_url_file: str | None = Field(default=None, min_length=1, description="File with it.")
    bot_token: SecretText | None = Field(
        default=None, description="Token of an app (`xoxb-...`) with chat:write, and files:write for pictures."
    )
    bot_token_file: str | None = Field(default=None, min_length=1, description="File with it.")
    app_token: SecretText | None = Field(default=None, description="Alertmanager's name for `bot_token`.")
    app_token_file: str | None = Field(default=None, min_length=1, description="File with it.")
    app_url: WebAddress = Field(default=f"{API_URL}{_POST}", description="Where the Web API is.")
    pictures: bool = Field(default=True, description="Puts the metric's picture into the thread (bot token).")
    timeout_s: Duration = Field(default=10.0, gt=0, validation_alias="timeout", description="How long a call may take.")
    http_config: HttpConfig | None = Field(default=None, description="How it is spoken to.")

    @model_validator(mode="after")
    def _a_way(self) -> "SlackSettings":
        tokens = [n for n in ("bot_token", "bot_token_file", "app_token", "app_token_file") if getattr(self, n)]
        if len(tokens) > 1:
            raise ValueError(f"{' and '.join(tokens)} are given; keep one")
        if tokens and not self.channel:
            raise ValueError(f"{tokens[0]} needs a channel")
        if not tokens and self.api_url is None and self.api_url_file is None:
            raise ValueError("needs an api_url of a webhook (or global.slack_api_url), or a bot_token")
        return self


class Slack(Notifier):
    """See the module."""

    kind = "slack"
    Settings = SlackSettings
    globals: ClassVar[Mapping[str, str]] = {
        "api_url": "slack_api_url",
        "api_url_file": "slack_api_url_file",
        "app_token": "slack_app_token",
        "app_token_file": "slack_app_token_file",
        "app_url": "slack_app_url",
    }
    pace = (1, 1.0)  # a message a second and channel; more for a short while is tolerated

    settings: SlackSettings

    def deliver(self, note: Notification, handle: Handle, context: Context) -> Conversation:
        if token := self._token(context):
            return (yield from self._by_token(note, handle, context, token))
        yield from self._by_webhook(note, context)
        return handle

    def can_say(self, says: Says) -> bool:
        settings = self.settings
        tokens = (settings.bot_token, settings.bot_token_file, settings.app_token, settings.app_token_file)
        return says == "tell" or any(token is not None for token in tokens)

    def acknowledge(self, group: Group, by: str, comment: str, handle: Handle, context: Context) -> Conversation | None:
        """A line in the thread, where there is one."""
        if not handle.get("ts"):
            return None
        return self._taken(f"acknowledged by {line(by)}", comment, handle, context)

    def unacknowledge(
        self, group: Group, by: str, comment: str, handle: Handle, context: Context
    ) -> Conversation | None:
        if not handle.get("ts"):
            return None
        return self._taken(f"not acknowledged any more, says {line(by)}", comment, handle, context)

    def _taken(self, words: str, comment: str, handle: Handle, context: Context) -> Conversation:
        said = words + (f": {plain(comment)}" if comment else "")
        return self._reply(clip_escaped(slack(said), ACKNOWLEDGED_CHARS_MAX), handle, context)

    def _reply(self, text: str, handle: Handle, context: Context) -> Conversation:
        body = {"text": text, "channel": handle["channel"], "thread_ts": handle["ts"]}
        answer = yield from self._ask(_POST, body, context, self._token(context))
        if error := answer.get("error"):
            raise Refused(self._refusal(_POST, str(error)))
        return handle

    def _token(self, context: Context) -> str:
        settings = self.settings
        token = secret_of(settings.bot_token, settings.bot_token_file, context)
        return token or secret_of(settings.app_token, settings.app_token_file, context)

    def _by_webhook(self, note: Notification, context: Context) -> Generator[Call, Reply, None]:
        url = secret_of(self.settings.api_url, self.settings.api_url_file, context)
        richest = message(self.settings, note, context)
        error = yield from self._post(url, richest, context)
        if error in _TOO_RICH:
            channel = {key: richest[key] for key in ("channel",) if key in richest}
            error = yield from self._post(url, {**channel, **plain_message(note)}, context)
        if error:
            raise Refused(f"Slack's webhook answered {error}; see its address and channel in the config")

    def _post(self, url: str, body: Message, context: Context) -> Generator[Call, Reply, str]:
        """Slack's word for what is wrong; empty where it took the message."""
        reply = yield HttpCall("POST", url, _JSON, json_body(body), self.settings.timeout_s)
        words = line(reply.body.decode("utf-8", "replace"), 80)
        if reply.status == 200 and words == "ok":
            return ""
        if reply.headers.get("content-type", "").startswith("application/json"):  # api_url is of the Web API
            error = self._error_of(reply, "Slack", context, (url,))
            return error if error else ""
        if words in _TOO_RICH:
            return words
        settle(reply, "Slack's webhook", context.now_s, hide=(url,))
        return said(reply, (url,)) or "nothing"

    def _by_token(self, note: Notification, handle: Handle, context: Context, token: str) -> Conversation:
        made = with_buttons(message(self.settings, note, context), note, context)
        if handle.get("ts"):
            updated = {key: value for key, value in made.items() if key not in _ONLY_POSTED}
            answer = yield from self._said_richly("chat.update", {**updated, **_place(handle)}, note, context, token)
            if not (error := answer.get("error")):
                reply = {**changes(note, context), "channel": handle["channel"], "thread_ts": handle["ts"]}
                if note.reason in ("level_raised", "repeat_interval"):
                    reply["reply_broadcast"] = True
                yield from self._said_richly(_POST, reply, note, context, token)
                if note.reason == "level_raised":
                    yield from self._picture(note, handle, context, token)
                return handle if note.firing else {}
            if error not in _GONE:
                raise Refused(self._refusal("chat.update", str(error)))
        answer = yield from self._said_richly(_POST, made, note, context, token)
        if error := answer.get("error"):
            raise Refused(self._refusal(_POST, str(error)))
        handle = {"channel": str(answer.get("channel", "")), "ts": str(answer.get("ts", ""))}
        # From here on nothing may fail: the message stands, and told again it would stand twice.
        yield from self._picture(note, handle, context, token)
        return handle if note.firing and handle["ts"] else {}

    def _said_richly(self, method: str, body: Message, note: Notification, context: Context, token: str) -> Asking:
        answer = yield from self._ask(method, body, context, token)
        if answer.get("error") in _TOO_RICH:
            kept: Message = {key: body[key] for key in _WHERE if key in body}
            emptied: Message = {"attachments": [], "blocks": []} if "ts" in body else {}
            answer = yield from self._ask(method, {**kept, **emptied, **plain_message(note)}, context, token)
        return answer

    def _ask(self, method: str, body: Message, context: Context, token: str) -> Asking:
        headers = {**_JSON, "Authorization": f"Bearer {token}"}
        call = HttpCall("POST", f"{self._api}{method}", headers, json_body(body), self.settings.timeout_s)
        reply = yield call
        error = self._error_of(reply, f"Slack's {method}", context, (token,))
        return {"error": error} if error else _json(reply)

    def _error_of(self, reply: Reply, what: str, context: Context, hide: tuple[str, ...]) -> str:
        """Slack's word for what is wrong, empty where all is well. Raises Retry, or Refused by its status."""
        settle(reply, what, context.now_s, hide=hide)
        answer = _json(reply)
        if answer.get("ok") is True:
            return ""
        error = str(answer.get("error") or "")
        if not error:
            raise Retry(f"{what} answered {reply.status} and no JSON")
        if error in _RETRIED:
            raise Retry(f"{what} answered {line(error, 80)}", retry_after_s(reply, context.now_s))
        return line(error, 80)

    def _picture(
        self, note: Notification, handle: Handle, context: Context, token: str
    ) -> Generator[Call, Reply, None]:
        """Into the thread. Without the scope, or where anything fails, there is none: the message stands already."""
        alert = next((told.alert for told in texts.by_news(note.firing) if pictures.can_draw(told.alert)), None)
        if alert is None or not self.settings.pictures or not handle.get("ts"):
            return
        try:
            yield from self._upload(alert, handle, context, token)
        except (Retry, Refused):
            return

    def _upload(self, alert: Alert, handle: Handle, context: Context, token: str) -> Generator[Call, Reply, None]:
        image = pictures.draw(alert)
        shown = {"filename": "metric.png", "length": str(len(image)), "alt_txt": line(texts.summary(alert), 500)}
        form = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Bearer {token}"}
        reply = yield HttpCall(
            "POST", f"{self._api}files.getUploadURLExternal", form, urlencode(shown).encode(), self.settings.timeout_s
        )
        if self._error_of(reply, "Slack's upload", context, (token,)):
            return
        answer = _json(reply)
        url = str(answer.get("upload_url", ""))
        # The address came by API: only one on the host that we speak to anyway is taken on trust.
        trusted = urlsplit(url).netloc == urlsplit(self._api).netloc
        octets = {"Content-Type": "application/octet-stream"}
        reply = yield HttpCall("POST", url, octets, image, self.settings.timeout_s, trusted)
        settle(reply, "Slack's upload", context.now_s, hide=(url,))
        done = {
            "files": [{"id": str(answer.get("file_id", "")), "title": line(texts.name(alert), 100)}],
            "channel_id": handle["channel"],
            "thread_ts": handle["ts"],
        }
        yield from self._ask("files.completeUploadExternal", done, context, token)

    @property
    def _api(self) -> str:
        return self.settings.app_url.removesuffix(_POST).rstrip("/") + "/"

    def _refusal(self, method: str, error: str) -> str:
        hint = _HINTS.get(error)
        return f"Slack's {method} answered {error}" + (f"; {hint}" if hint else "")


_HINTS = {
    "not_in_channel": "invite the app into the channel",
    "channel_not_found": "see the channel in the config, and invite the app into it",
    "is_archived": "the channel is archived; see it in the config",
    "invalid_auth": "see the token in the config",
    "not_authed": "see the token in the config",
    "account_inactive": "see the token in the config",
    "token_revoked": "see the token in the config",
    "missing_scope": "give the app the scope chat:write",
}


_WHERE = ("channel", "ts", "thread_ts", "reply_broadcast")
_ONLY_POSTED = ("username", "icon_emoji", "icon_url", "link_names")  # chat.update takes none of them


def _place(handle: Handle) -> Message:
    return {"channel": handle["channel"], "ts": handle["ts"]}


def _json(reply: Reply) -> dict[str, Any]:
    try:
        answer = json.loads(reply.body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
