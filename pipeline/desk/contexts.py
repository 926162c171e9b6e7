"""What notifiers are lent: secrets, texts, links to what the desk answers, the time."""

from collections.abc import Callable
from urllib.parse import quote

import structlog

from alerting.notifiers.base import Context
from alerting.words.templates import Templates
from pipeline.desk.secrets import reveal
from schemas.desk import Desk, Integration

log = structlog.get_logger(__name__)
# Nothing that a browser could silence with is served: such a link is left out.
_PLACES = {
    "alert": "/api/desk/alerts/{}/explain",
    "group": "/api/v2/alerts/groups",
    "incident": "/api/desk/incidents/{}",
}


def link(external_url: str, kind: str, ref: str) -> str:
    """
    >>> link("https://desk.example/", "alert", "0f"), link("https://desk.example", "silence", "0f")
    ('https://desk.example/api/desk/alerts/0f/explain', '')
    """
    place = _PLACES.get(kind)
    return external_url.rstrip("/") + place.format(quote(ref, safe="")) if place else ""


def templates(desk: Desk) -> Templates:
    """Raises ValueError where a file of the config's `templates` can't be read as one."""
    return Templates(desk.templates, desk.server.external_url, _link_of(desk), report=_report)


def contexts(desk: Desk) -> Callable[[Integration, float], Context]:
    """Made once; called for each conversation."""
    made, to = templates(desk), _link_of(desk)
    has_buttons = desk.response.escalation.hooks.slack_signing_secret is not None

    def context(integration: Integration, now_s: float) -> Context:
        return Context(reveal=reveal, text=made.render, link=to, now_s=now_s, has_buttons=has_buttons)

    return context


def _link_of(desk: Desk) -> Callable[[str, str], str]:
    return lambda kind, ref: link(desk.server.external_url, kind, ref)


def _report(reason: str) -> None:
    log.warning("a text of the config failed", reason=reason)
