"""Slack's incoming webhooks and the part of its Web API that posts: channels, messages, threads, files, and refusals.

Rules are those of api.slack.com as noted in the notifier, and slack_sdk's validators of blocks as a second opinion.
What a message would do to people (mentions, links) is read from it as Slack reads it.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

from tests.doubles.http import Double, Request, Response

TOKEN = "xoxb-1-good"
WEBHOOK_PATH = "/services/T0/B0/secret"
BLOCKS_MAX, TEXT_CHARS_MAX, SUM_CHARS_MAX, ATTACHMENTS_MAX = 50, 40_000, 13_200, 100
_TEXTS = {"header": 150, "section": 3000, "context": 3000}
_BLOCK_KEYS = {
    "header": {"type", "text", "block_id"},
    "section": {"type", "text", "block_id", "fields", "accessory", "expand"},
    "context": {"type", "elements", "block_id"},
    "divider": {"type", "block_id"},
    "actions": {"type", "elements", "block_id"},
    "image": {"type", "image_url", "alt_text", "title", "block_id", "slack_file"},
}
_TEXT_KEYS = {"plain_text": {"type", "text", "emoji"}, "mrkdwn": {"type", "text", "verbatim"}}


@dataclass
class Post:
    """A message as it stands. versions: each body that it had."""

    channel: str
    ts: str
    body: dict[str, Any]
    thread_ts: str | None = None
    versions: list[dict[str, Any]] = field(default_factory=list)


class Slack:
    """Use it as a context. Channels by name; the app is in all but those of `not_in`."""

    def __init__(self) -> None:
        self.channels = {"#alerts": "C1", "#other": "C2", "#old": "C3"}
        self.archived = {"C3"}
        self.not_in: set[str] = set()
        self.scopes = {"chat:write", "files:write"}
        self.posts: list[Post] = []
        self.files: dict[str, bytes] = {}
        self.shared: list[dict[str, Any]] = []
        self.errors: dict[str, list[str]] = {}  # method -> errors that its next calls answer
        self.now_s: Callable[[], float] | None = None  # given: more than a message a second and channel is refused
        self._posted_s: dict[str, float] = {}
        self.http = Double(self._respond)

    @property
    def webhook_url(self) -> str:
        return self.http.url + WEBHOOK_PATH

    @property
    def api_url(self) -> str:
        return f"{self.http.url}/api/chat.postMessage"

    def __enter__(self) -> "Slack":
        self.http.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.http.__exit__(*error)

    def delete(self, post: Post) -> None:
        self.posts.remove(post)

    # --- what arrives

    def _respond(self, request: Request) -> Response:
        path = request.path.partition("?")[0]
        if path.startswith("/services/"):
            return self._webhook(request, path)
        if path.startswith("/upload/"):
            self.files[path.removeprefix("/upload/")] = request.body
            return Response(200, b"OK - %d" % len(request.body))
        method = path.removeprefix("/api/")
        handler = {
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "files.getUploadURLExternal": self._get_upload,
            "files.completeUploadExternal": self._complete_upload,
        }.get(method)
        if handler is None:
            return Response.of(200, {"ok": False, "error": "unknown_method"})
        if self.errors.get(method):
            error = self.errors[method].pop(0)
            return Response.of(200, {"ok": False, "error": error})
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Response.of(200, {"ok": False, "error": "invalid_auth"})
        try:
            body = _body(request, is_form=method == "files.getUploadURLExternal")
            if method.startswith("chat.") and (limited := self._limited(str(body.get("channel")))):
                return limited
            return Response.of(200, {"ok": True, **handler(body)})
        except SlackError as error:
            return Response.of(200, {"ok": False, "error": str(error)})

    def _webhook(self, request: Request, path: str) -> Response:
        if path != WEBHOOK_PATH:
            return Response(404, b"no_service", {"Content-Type": "text/html"})
        try:
            body = _body(request)
            check_message(body)
            channel = self._channel(body.get("channel", "#alerts"))
        except SlackError as error:
            word = str(error)
            status = {"channel_not_found": 404, "is_archived": 410}.get(word, 400)
            return Response(status, {"is_archived": "channel_is_archived"}.get(word, word).encode())
        self._keep(channel, body)
        return Response(200, b"ok", {"Content-Type": "text/html"})

    def _limited(self, channel: str) -> Response | None:
        """Short bursts are tolerated: what is refused is the second within the same tenth of a second."""
        if self.now_s is None:
            return None
        now_s, before_s = self.now_s(), self._posted_s.get(channel, -10.0)
        if now_s - before_s < 1.0:
            return Response.of(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "1"})
        self._posted_s[channel] = now_s
        return None

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        check_message(body)
        self._needs("chat:write")
        channel = self._channel(body.get("channel"))
        thread = body.get("thread_ts")
        if thread is not None and not any(p.ts == thread and p.channel == channel for p in self.posts):
            raise SlackError("thread_not_found")
        post = self._keep(channel, body)
        return {"channel": channel, "ts": post.ts, "message": {"text": body.get("text", "")}}

    def _update(self, body: dict[str, Any]) -> dict[str, Any]:
        unknown = set(body) & {"username", "icon_emoji", "icon_url", "thread_ts"}
        if unknown:
            raise SlackError("invalid_arguments")
        check_message(body)
        self._needs("chat:write")
        if body.get("channel") not in self.channels.values():
            raise SlackError("channel_not_found")  # chat.update takes ids alone
        for post in self.posts:
            if post.ts == body.get("ts") and post.channel == body["channel"]:
                post.versions.append(post.body)
                post.body = body
                return {"channel": post.channel, "ts": post.ts}
        raise SlackError("message_not_found")

    def _get_upload(self, body: dict[str, Any]) -> dict[str, Any]:
        self._needs("files:write")
        if not body.get("filename") or not str(body.get("length", "")).isdecimal():
            raise SlackError("invalid_arguments")
        number = f"F{len(self.files) + 1}"
        return {"upload_url": f"{self.http.url}/upload/{number}", "file_id": number}

    def _complete_upload(self, body: dict[str, Any]) -> dict[str, Any]:
        self._needs("files:write")
        for one in body.get("files", []):
            if one.get("id") not in self.files:
                raise SlackError("file_not_found")
        if not any(p.ts == body.get("thread_ts") and p.channel == body.get("channel_id") for p in self.posts):
            raise SlackError("invalid_channel")
        self.shared.append(body)
        return {"files": body["files"]}

    def _keep(self, channel: str, body: dict[str, Any]) -> Post:
        post = Post(channel, f"{1_795_412_000 + len(self.posts)}.{len(self.posts):06d}", body, body.get("thread_ts"))
        self.posts.append(post)
        return post

    def _channel(self, name: Any) -> str:
        channel = self.channels.get(name, name)
        if channel not in self.channels.values():
            raise SlackError("channel_not_found")
        if channel in self.archived:
            raise SlackError("is_archived")
        if channel in self.not_in:
            raise SlackError("not_in_channel")
        return str(channel)

    def _needs(self, scope: str) -> None:
        if scope not in self.scopes:
            raise SlackError("missing_scope")


class SlackError(Exception):
    """Slack's word for what is wrong."""


def check_message(body: dict[str, Any]) -> None:
    """Raises SlackError."""
    text, blocks, attachments = body.get("text", ""), body.get("blocks", []), body.get("attachments", [])
    if not isinstance(text, str) or not (text or blocks or attachments):
        raise SlackError("no_text")
    if len(text) > TEXT_CHARS_MAX:
        raise SlackError("msg_too_long")
    if len(attachments) > ATTACHMENTS_MAX:
        raise SlackError("too_many_attachments")
    for attachment in attachments:
        if not isinstance(attachment, dict) or not (attachment.keys() & {"text", "blocks", "fallback", "title"}):
            raise SlackError("invalid_attachments")
        if not all(isinstance(attachment.get(key, ""), str) for key in ("text", "title", "fallback", "color")):
            raise SlackError("invalid_attachments")
    if len(blocks) > BLOCKS_MAX:
        raise SlackError("invalid_blocks")
    size = 0
    for block in blocks:
        size += _block_size(block)
    if size > SUM_CHARS_MAX:
        raise SlackError("msg_blocks_too_long")


def _block_size(block: Any) -> int:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in _BLOCK_KEYS or set(block) - _BLOCK_KEYS[kind]:
        raise SlackError("invalid_blocks")
    if kind == "actions":
        return _check_buttons(block)
    found = [block["text"]] if "text" in block else list(block.get("elements", []))
    if kind in _TEXTS and not found:
        raise SlackError("invalid_blocks")
    if kind == "context" and len(found) > 10:
        raise SlackError("invalid_blocks")
    for text in found:
        words = text.get("text") if isinstance(text, dict) else None
        if text.get("type") not in _TEXT_KEYS or set(text) - _TEXT_KEYS[text["type"]]:
            raise SlackError("invalid_blocks")
        if not isinstance(words, str) or not 1 <= len(words) <= _TEXTS.get(kind, 3000):
            raise SlackError("invalid_blocks")
        if kind == "header" and text["type"] != "plain_text":
            raise SlackError("invalid_blocks")
    try:
        parsed = Block.parse(block)
        if parsed is None:
            raise SlackError("invalid_blocks")
        parsed.validate_json()
    except SlackObjectFormationError:
        raise SlackError("invalid_blocks") from None
    return sum(len(text["text"]) for text in found)


def _check_buttons(block: dict[str, Any]) -> int:
    """Only buttons are known here."""
    elements = block.get("elements", [])
    names = [one.get("action_id") for one in elements if isinstance(one, dict)]
    if not 0 < len(elements) <= 25 or len(names) != len(set(names)) or len(names) != len(elements):
        raise SlackError("invalid_blocks")
    for one in elements:
        text = one.get("text", {})
        if one.get("type") != "button" or set(one) - {"type", "text", "action_id", "value", "style", "url", "confirm"}:
            raise SlackError("invalid_blocks")
        if text.get("type") != "plain_text" or not 1 <= len(text.get("text", "")) <= 75:
            raise SlackError("invalid_blocks")
        if one.get("style", "primary") not in ("primary", "danger") or len(one.get("value", "")) > 2000:
            raise SlackError("invalid_blocks")
    return sum(len(one["text"]["text"]) for one in elements)


def pressed(post: "Post", action: str, user: str, name: str = "", number: int = 1) -> dict[str, str]:
    """The form that Slack posts when somebody presses the button of that message whose name ends so."""
    blocks = [block for block in post.body.get("blocks", []) if block["type"] == "actions"]
    (button,) = [one for block in blocks for one in block["elements"] if one["action_id"].endswith(action)]
    payload = {
        "type": "block_actions",
        "user": {"id": user, "username": name or user.lower(), "team_id": "T1"},
        "api_app_id": "A1",
        "container": {"type": "message", "message_ts": post.ts, "channel_id": post.channel},
        "trigger_id": f"{number}.{user}",
        "channel": {"id": post.channel, "name": "alerts"},
        "message": {"type": "message", "ts": post.ts, "text": post.body.get("text", "")},
        "response_url": "https://hooks.slack.com/actions/T1/1/abc",
        "actions": [{**button, "block_id": "b", "action_ts": f"{1_795_412_000 + number}.000001"}],
    }
    return {"payload": json.dumps(payload)}


def marked_up(body: dict[str, Any]) -> Iterator[str]:
    """All texts of a message in which Slack looks for `<...>`."""
    yield body.get("text", "")
    for block in body.get("blocks", []):
        for text in [block["text"]] if "text" in block else block.get("elements", []):
            yield text["text"]["text"] if text["type"] == "button" else text["text"]
    for attachment in body.get("attachments", []):
        yield from (v for k, v in attachment.items() if k in ("text", "title", "pretext", "fallback", "footer"))
        yield from (v for one in attachment.get("fields", []) for v in (one["title"], one["value"]))


def controls(body: dict[str, Any]) -> list[str]:
    """What Slack would obey in a message: mentions (`!channel`, `@U1`, `#C1`) and links (`https://...|words`)."""
    return [found for text in marked_up(body) for found in re.findall(r"<([^<>]*)>", text)]


def markdown_of(body: dict[str, Any]) -> list[str]:
    """Texts in which `*` and the like are read as markup."""
    return [
        text["text"]
        for block in body.get("blocks", [])
        for text in ([block["text"]] if "text" in block else block.get("elements", []))
        if text["type"] == "mrkdwn"
    ]


def _body(request: Request, is_form: bool = False) -> dict[str, Any]:
    content_type = request.headers.get("content-type", "")
    if is_form:
        if not content_type.startswith("application/x-www-form-urlencoded"):
            raise SlackError("invalid_arguments")
        return {key: values[0] for key, values in parse_qs(request.body.decode()).items()}
    if not content_type.startswith("application/json"):
        raise SlackError("invalid_payload")
    try:
        body = request.json
    except ValueError:
        raise SlackError("invalid_payload") from None
    if not isinstance(body, dict):
        raise SlackError("invalid_payload")
    return body
