"""A page's link is for one act of one person for a while; only pressing its button does anything."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.notifiers import KINDS
from alerting.notifiers.base import Context
from pipeline.desk import links
from pipeline.desk.incidents import people
from pipeline.desk.links import Link
from schemas.calls import HttpCall, MailCall
from schemas.desk import DeskServer
from schemas.response import Response
from schemas.secret import Secret
from tests.api.scene import CLOSED, Api
from tests.escalation.scene import START_S, Story, desk_of

FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path, desk_of(server=CLOSED)) as made:
        yield made


@pytest.fixture
def story(api: Api) -> Story:
    made = Story(api.db, api.desk, title="checkout <b>fails</b>")
    made.at(0)
    return made


def link_of(story: Story, receiver: str = "ann") -> str:
    """Its path."""
    (line,) = [line for line in story.lines() if line.receiver == receiver]
    url: str = story.note(line).alerts[0].alert.annotations["acknowledge_url"]
    assert url.startswith(story.desk.server.external_url)
    return url.removeprefix(story.desk.server.external_url)


def test_looking_at_it_changes_nothing_and_the_button_does(api: Api, story: Story) -> None:
    path, before = link_of(story), story.told()
    for method in ("GET", "HEAD", "GET"):
        page = api.ask(method, path)
        assert page.status_code == 200
    assert '<form method="post"><button type="submit">Acknowledge as ann</button></form>' in page.text
    assert "checkout &lt;b&gt;fails&lt;/b&gt;" in page.text
    assert story.told() == before
    done = api.ask("POST", path, headers=FORM)
    assert (done.status_code, "Acknowledged by ann." in done.text) == (200, True)
    assert (story.incident.state, story.incident.acknowledged_by) == ("acknowledged", "ann")
    after = story.told()
    assert api.ask("POST", path, headers=FORM).status_code == 200  # pressed twice
    assert story.told() == after


def test_its_page_runs_nothing_and_stands_in_no_frame(api: Api, story: Story) -> None:
    page = api.ask("GET", link_of(story))
    policy = page.headers["content-security-policy"]
    assert policy == "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    assert page.headers["referrer-policy"] == "same-origin"  # else its own form would be another site's
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(r"<script|<style|javascript:|\son\w+=", page.text)


def test_a_form_of_another_site_is_refused(api: Api, story: Story) -> None:
    path = link_of(story)
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert api.ask("POST", path, headers={**FORM, **headers}).status_code == 403
    assert story.incident.state == "open"
    own = {"origin": "https://desk.example", "sec-fetch-site": "same-origin"}
    assert api.ask("POST", path, headers={**FORM, **own}).status_code == 200


def test_it_is_too_old_one_day(api: Api, story: Story) -> None:
    api.now.at_s = START_S + api.desk.response.escalation.links_last_s
    for method in ("GET", "POST"):
        page = api.ask(method, link_of(story))
        assert (page.status_code, "too old" in page.text) == (403, True)
    assert story.incident.state == "open"


def test_one_of_an_earlier_life_of_the_incident_does_nothing(api: Api, story: Story) -> None:
    story.does(people.resolve, "bob")
    story.now_s = START_S + 5
    story.does(people.reopen, "bob")
    page = api.ask("POST", link_of(story))
    assert (page.status_code, story.incident.state) == (409, "open")


def test_what_can_not_be_done_says_why(api: Api, story: Story) -> None:
    story.does(people.resolve, "bob")
    page = api.ask("POST", link_of(story))
    assert (page.status_code, "it is resolved; reopen it first" in page.text) == (409, True)


@pytest.mark.parametrize("change", ["cut", "flip", "other act", "empty", "long", "words"])
def test_one_that_was_tampered_with_is_refused(api: Api, story: Story, change: str) -> None:
    path = link_of(story)
    text = path.removeprefix(links.PATH)
    forged = {
        "cut": text[:-2],
        "flip": ("A" if text[0] != "A" else "B") + text[1:],
        "other act": links.written(Link(1, "acknowledge", "eve", START_S, START_S + 9e9), b"guessed"),
        "empty": "x.y",
        "long": "A" * 5000,
        "words": "not%20a%20link",
    }[change]
    for method in ("GET", "POST"):
        assert api.ask(method, links.PATH + forged).status_code in (403, 404)
    assert story.incident.state == "open"


@given(st.text(max_size=200), st.integers(0, 10**6), st.floats(0, 1e10), st.text(max_size=40))
def test_only_what_was_signed_can_be_read(by: str, number: int, until_s: float, noise: str) -> None:
    link = Link(number, "acknowledge", by, 1.0, until_s)
    text = links.written(link, b"key")
    if until_s > 0:
        assert links.read(text, b"key", 0.0) == link
    for forged in (text + noise if noise else "", noise, noise + text if noise else "", text.replace(".", noise, 1)):
        if forged != text:
            with pytest.raises(ValueError, match="link"):
                links.read(forged, b"key", -1.0)
    with pytest.raises(ValueError, match="ours"):
        links.read(text, b"other", 0.0)


def test_a_key_of_the_config_signs_and_one_that_is_missing_leaves_the_link_out(tmp_path: Path) -> None:
    key = tmp_path / "key"
    on = desk_of()
    plan = replace(on.response.escalation, link_key=Secret("file", str(key)))
    on = replace(on, response=Response(on.response.incidents, on.response.oncall, plan))
    with Api(tmp_path, on) as api:
        story = Story(api.db, on)
        story.at(0)
        (line,) = story.lines()
        assert "acknowledge_url" not in story.note(line).alerts[0].alert.annotations
        assert any(text.startswith("pages have no link to acknowledge: secret file") for text in story.told("page"))
        key.write_text("a-key-of-our-own")
        story.at(300)
        path = link_of(story, "bob")
        assert api.ask("GET", path).status_code == 200
        key.unlink()
        assert api.ask("GET", path).status_code == 503


@pytest.mark.parametrize("kind", ["msteamsv2", "email", "slack", "pagerduty", "opsgenie", "webhook"])
def test_every_kind_of_receiver_is_given_the_link(tmp_path: Path, kind: str) -> None:
    on = desk_of(receivers={"ann": (kind,)}, server=DeskServer(external_url="https://desk.example"))
    with Api(tmp_path, on) as api:
        story = Story(api.db, on)
        story.at(0)
        (line,) = story.lines()
        notifier = KINDS[kind](on.receivers["ann"].integrations[0].settings)
        context = Context(lambda secret: secret.source, lambda text, note: str(text), lambda what, ref: "", START_S)
        call = next(notifier.deliver(story.note(line), {}, context))
        assert isinstance(call, HttpCall | MailCall)
        body = call.body if isinstance(call, HttpCall) else call.message.replace(b"=\r\n", b"")
        assert b"https://desk.example/links/" in body
        if kind in ("msteamsv2", "slack", "pagerduty"):
            assert b"INC-1 SEV2: checkout fails" in body
