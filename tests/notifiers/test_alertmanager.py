"""What an Alertmanager is told: which label sets, in which order, in which batches, and what its refusals lead to."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.alert import Notification, Told
from alerting.notifiers.alertmanager import BATCH_MAX, sanitised
from alerting.notifiers.base import Call, Handle
from schemas.alert import rfc3339
from schemas.calls import HttpCall, Refused, Reply, Retry
from schemas.levels import LevelName
from tests.doubles.http import Double, Fault, Request, Response
from tests.notifiers.notes import NOW_S, alert, note, resolved, told
from tests.notifiers.talk import answered, asked, context, notifier, talk

URLS = ("http://a.example:9093", "http://b.example:9093/prefix/", "http://ann:pw@c.example:9093")


def posted(call: Call) -> list[dict[str, Any]]:
    assert isinstance(call, HttpCall)
    found: list[dict[str, Any]] = json.loads(call.body)
    return found


def told_of(one: Notification, now_s: float = NOW_S) -> list[tuple[str, str]]:
    """(level, whether it fires or has ended) of each alert, in order."""
    calls, _ = answered(notifier("alertmanager", urls=URLS[:1]).deliver(one, {}, context(now_s)), [])
    end = rfc3339(now_s + 240.0)
    return [(a["labels"]["level"], "fires" if a["endsAt"] == end else "ended") for c in calls for a in posted(c)]


def at(level: LevelName, host: str = "a") -> Told:
    return told(alert({"alertname": "errors", "host": host}, level=level))


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (note(at("warning")), [("warning", "fires")]),
        (note(told(alert(level="warning"), "same"), reason="repeat_interval"), [("warning", "fires")]),
        (note(told(alert(), "raised", "warning")), [("critical", "fires"), ("warning", "ended")]),
        (note(told(alert(level="info"), "lowered", "critical")), [("info", "fires"), ("critical", "ended")]),
        (note(told(alert(level="warning"), "flapping")), [("warning", "fires")]),
        (note(resolved()), [("critical", "ended")]),
        # It was told at warning and ended at critical: what is known there as firing has ended.
        (note(Told(resolved().alert, "resolved", "warning")), [("warning", "ended")]),
        (note(told(alert(), "departed", "warning")), [("warning", "ended")]),
        (note(told(alert(), "departed")), []),
        # Inhibitors before what they inhibit, and after it when both end.
        (
            note(at("info"), at("critical", "b"), at("warning", "c")),
            [("critical", "fires"), ("warning", "fires"), ("info", "fires")],
        ),
        (
            note(resolved(), resolved(alert({"host": "b"}, level="info")), at("warning", "c")),
            [("warning", "fires"), ("info", "ended"), ("critical", "ended")],
        ),
    ],
)  # fmt: skip
def test_each_thing_that_happens_is_told_as_label_sets(one: Notification, expected: list[tuple[str, str]]) -> None:
    assert told_of(one) == expected


def test_a_firing_alert_ends_by_itself_four_rounds_after_the_desk_fell_silent() -> None:
    made = notifier("alertmanager", urls=URLS[:1])
    assert made.resend_every_s == 60.0
    for now_s in (NOW_S, NOW_S + 3600.0):
        calls, _ = answered(made.deliver(note(), {}, context(now_s)), [])
        assert posted(calls[0])[0]["endsAt"] == rfc3339(now_s + 4 * 60.0)


def test_times_that_alertmanager_would_refuse_are_never_sent() -> None:
    """An end before the start, or a start in the future: event time follows no clock of ours."""
    ahead = alert(starts_at_s=NOW_S + 500.0)
    before = alert(starts_at_s=NOW_S - 5.0, ends_at_s=NOW_S - 50.0, status="resolved")
    calls, _ = answered(
        notifier("alertmanager", urls=URLS[:1]).deliver(
            note(told(ahead), told(before, "resolved"), told(ahead, "raised", "info")), {}, context()
        ),
        [],
    )
    for one in posted(calls[0]):
        assert one["startsAt"] <= one["endsAt"]
        assert one["startsAt"] <= rfc3339(NOW_S)


def test_what_changes_is_an_annotation_and_never_a_label() -> None:
    calls, _ = answered(notifier("alertmanager", urls=URLS[:1]).deliver(note(), {}, context()), [])
    one = posted(calls[0])[0]
    assert one["labels"] == alert().matchable()
    assert one["annotations"]["value"] == "0.123"
    assert one["annotations"]["why"] == alert().why
    assert one["generatorURL"].startswith("https://desk.example/")


@pytest.mark.parametrize("url", ["not a url", "ftp://x/y", "http://x/%zz", "http://x/a b", "javascript:alert(1)"])
def test_an_address_that_would_cost_the_batch_is_replaced_by_ours(url: str) -> None:
    bad = note(told(alert(generator_url=url)))
    calls, _ = answered(notifier("alertmanager", urls=URLS[:1]).deliver(bad, {}, context()), [])
    assert posted(calls[0])[0]["generatorURL"].startswith("https://desk.example/")


@given(st.dictionaries(st.text(), st.text(), max_size=8))
def test_any_names_become_names_that_alertmanager_takes_and_no_value_is_lost(labels: dict[str, str]) -> None:
    names = sanitised(labels)
    assert sorted(names.values()) == sorted(value for value in labels.values() if value)
    for name in names:
        assert name.isascii()
        assert name.isidentifier()
    assert sanitised(names) == names


def many(count: int) -> Notification:
    """Two of three have changed their level."""
    alerts = [alert({"alertname": "errors", "host": f"h{i}"}) for i in range(count)]
    return note(*(Told(a, "raised", "info") if i % 3 else Told(a, "new") for i, a in enumerate(alerts)))


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_batches_are_small_and_a_change_of_level_is_in_one_of_them(count: int) -> None:
    calls, _ = answered(notifier("alertmanager", urls=URLS[:1]).deliver(many(count), {}, context()), [])
    batches = [posted(call) for call in calls]
    assert max(map(len, batches)) <= BATCH_MAX
    assert sum(map(len, batches)) == count + sum(1 for i in range(count) if i % 3)
    for batch in batches:
        ended = {a["labels"]["host"] for a in batch if a["labels"]["level"] == "info"}
        assert ended <= {a["labels"]["host"] for a in batch if a["labels"]["level"] == "critical"}


def refusing(bad_hosts: set[str]) -> Any:
    def respond(request: Request) -> Response:
        hosts = {one["labels"]["host"] for one in request.json}
        return Response(400, b'{"code":400,"message":"invalid"}') if hosts & bad_hosts else Response(200)

    return respond


@given(bad=st.sets(st.integers(min_value=0, max_value=99), max_size=5), count=st.integers(min_value=1, max_value=100))
def test_a_bad_alert_costs_no_good_one_and_is_named(bad: set[int], count: int) -> None:
    one = note(*(told(alert({"alertname": "errors", "host": f"h{i}"})) for i in range(count)))
    bad_hosts = {f"h{i}" for i in bad if i < count}
    respond = refusing(bad_hosts)
    conversation = notifier("alertmanager", urls=URLS[:1]).deliver(one, {}, context())
    taken: set[str] = set()
    handle: Handle = {}
    reason = ""
    try:
        call = next(conversation)
        while True:
            assert isinstance(call, HttpCall)
            answer = respond(Request(call.method, call.url, call.headers, call.body))
            taken |= {a["labels"]["host"] for a in posted(call)} if answer.status == 200 else set()
            call = conversation.send(Reply(answer.status, {}, answer.body))
    except StopIteration as ended:
        handle = ended.value
    except Refused as error:
        reason = error.reason
    assert taken == {f"h{i}" for i in range(count)} - bad_hosts
    assert bool(reason) is (len(bad_hosts) == count)
    told_bad = reason or handle.get("refused", "")
    assert all(host in told_bad for host in bad_hosts)
    assert bool(told_bad) is bool(bad_hosts)


NOTHING = Retry("no answer within 10 s")
OK, BUSY, LOST, BAD = Reply(200), Reply(503, {"retry-after": "7"}), NOTHING, Reply(404, {}, b"no such path")


@pytest.mark.parametrize(
    ("replies", "ends"),
    [
        ([OK, OK, OK], "told"),
        ([LOST, OK, OK], "told"),
        ([OK, BUSY, LOST], "told"),
        ([BAD, BAD, OK], "told"),
        ([LOST, LOST, LOST], "retry"),
        ([BAD, BUSY, BAD], "retry"),
        ([BAD, BAD, BAD], "refused"),
    ],
)
def test_every_member_is_told_and_one_that_took_it_is_enough(replies: list[Reply | Retry], ends: str) -> None:
    conversation = notifier("alertmanager", urls=URLS).deliver(note(), {}, context())
    calls: list[Call] = []
    if ends == "told":
        handle = asked(conversation, replies, calls)
        missed = handle.get("untold", "") + handle.get("refused", "")
        assert [host in missed for host in ("a.example", "b.example", "c.example")] == [r is not OK for r in replies]
        assert "pw" not in missed
    else:
        with pytest.raises(Retry if ends == "retry" else Refused, match=r"a\.example.*c\.example|b\.example"):
            asked(conversation, replies, calls)
    assert [call.url for call in calls if isinstance(call, HttpCall)] == [
        "http://a.example:9093/api/v2/alerts",
        "http://b.example:9093/prefix/api/v2/alerts",
        "http://ann:pw@c.example:9093/api/v2/alerts",
    ]


def test_a_member_that_was_away_is_told_with_the_next_round() -> None:
    with Double(lambda request: Response(200)) as one, Double(lambda request: Response(200)) as other:
        made = notifier("alertmanager", urls=(one.url, other.url))
        one.fail(Fault(is_reply_lost=True), Fault(status=503))
        for missing in (True, True, False):
            handle = talk(made.deliver(note(), {}, context()))
            assert ("untold" in handle) is missing
    assert len(other.requests) == 3
    assert one.requests[-1].json == other.requests[-1].json
