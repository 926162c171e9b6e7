"""What the desk will need and doesn't find: told when it starts and by `check`, not at the first alert."""

from collections.abc import Iterator

from pydantic import BaseModel

from pipeline.desk.secrets import NoSecret, reveal
from schemas.config.desk.receivers import secrets_in
from schemas.config.errors import path_text
from schemas.desk import Desk, Route
from schemas.secret import Secret


def missing(desk: Desk) -> Iterator[str]:
    """A sentence each: secrets that can't be read here, and receivers that alerts go to but that can't tell anybody."""
    told = {route.receiver for route in _routes(desk)}
    for receiver in desk.receivers.values():
        if receiver.name in told and not receiver.integrations:
            yield f"receiver {receiver.name}: has no way to tell anybody; alerts that go there are only kept"
        for way in receiver.integrations:
            for path, secret in (*secrets_in(way.settings), *_files_in(way.settings)):
                try:
                    reveal(secret)
                except NoSecret as error:
                    yield f"receiver {way.name}: {path_text(path)}: {error}"
    for where, secret in _own(desk):
        try:
            reveal(secret)
        except NoSecret as error:
            yield f"{where}: {error}"


def _own(desk: Desk) -> Iterator[tuple[str, Secret]]:
    """Of webhooks that come in, of pages' links, and of remedies that may do something."""
    plan = desk.response.escalation
    for name in ("pagerduty_secret", "slack_signing_secret", "opsgenie_secret"):
        secret = getattr(plan.hooks, name)
        if secret is not None:
            yield f"escalation.hooks.{name}", secret
    if plan.link_key is not None:
        yield "escalation.link_key", plan.link_key
    automation = desk.response.automation
    for rule in automation.remedies:
        if automation.mode_of(rule) != "off":
            for path, secret in (*secrets_in(rule.settings), *_files_in(rule.settings)):
                yield f"remedy {rule.name}: {rule.kind}.{path_text(path)}", secret


def _files_in(settings: BaseModel) -> Iterator[tuple[tuple[str | int, ...], Secret]]:
    """Alertmanager's keys that end in `_file`."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name.endswith("_file") and isinstance(value, str):
            yield (name,), Secret("file", value)


def _routes(desk: Desk) -> Iterator[Route]:
    waiting = [desk.route]
    while waiting:
        route = waiting.pop()
        yield route
        waiting += route.routes
