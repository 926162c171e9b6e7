"""What a person reads first, and sees: the form of each kind of message, and that no alert is too odd to be told."""

import re
import struct
import threading

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alerting.alert import Alert, Notification
from alerting.words import pictures, texts
from alerting.words.escaping import ESCAPES, clip, clip_bytes, line, plain, web_address
from alerting.words.sparkline import sparkline
from schemas.levels import LevelName
from tests.notifiers import hostile
from tests.notifiers.notes import ERRORS, NOW_S, alert, note, resolved, told

WARNING = alert({**ERRORS, "region": "us-1"}, level="warning")
MANY = [told(alert({"alertname": f"rule{i % 6}", "service": f"s{i % 9}"}, level="warning")) for i in range(212)]
DISKS = [told(alert({"alertname": "disk", "host": f"db-{i}"}, level="info")) for i in range(9)]
SUBJECT = "errors (errors_total) on checkout, eu-1"


@pytest.mark.parametrize(
    ("one", "title"),
    [
        (note(), f"CRITICAL: {SUBJECT}"),
        (note(told(), told(WARNING)), "CRITICAL: errors (errors_total) on checkout, 2 alerts (1 critical, 1 warning)"),
        (note(told(what="raised", previous="warning"), reason="level_raised"), f"CRITICAL (was warning): {SUBJECT}"),
        (note(told(WARNING, "lowered", "critical"), reason="level_lowered"),
         "WARNING (was critical): errors (errors_total) on checkout, us-1"),
        (note(told(what="same"), reason="repeat_interval"), f"STILL CRITICAL: {SUBJECT}, for 12 min"),
        (note(told(what="same"), resolved(WARNING), reason="some_resolved"), f"CRITICAL: {SUBJECT}, 1 resolved"),
        (note(resolved(), reason="all_resolved"), f"RESOLVED: {SUBJECT}, after 12 min"),
        (note(told(what="departed"), reason="all_resolved"), f"MOVED: {SUBJECT}, after 12 min"),
        (note(told(what="flapping"), reason="flapping_started"), f"FLAPPING, CRITICAL: {SUBJECT}"),
        (note(told(), reason="flapping_stopped"), f"CRITICAL, settled: {SUBJECT}"),
        (note(*MANY, kind="storm"), "STORM, WARNING: rule0, rule1 and 4 more on s0, s1 and 7 more, 212 alerts"),
        (note(*DISKS, kind="digest"), "DIGEST: disk on db-0, db-1 and 7 more, 9 alerts (9 info)"),
        (note(told(alert({"alertname": "Watchdog"}))), "CRITICAL: Watchdog"),
        (note(told(alert({"alertname": "a", "x": "1", "y": "2"}))), "CRITICAL: a on x=1, y=2"),
        (note(told(alert({}, rule=""))), "CRITICAL: alert"),
    ],
)  # fmt: skip
def test_a_title_says_how_bad_what_where_how_many(one: Notification, title: str) -> None:
    assert texts.title(one) == title


def test_details_say_value_expectation_why_since_and_where_to_go() -> None:
    one = note(told(alert(annotations={"summary": "Checkout fails", "runbook_url": "https://r.example"})), muted=2)
    assert texts.details(one, 2000, lambda kind, ref: f"https://desk.example/{kind}") == [
        f"Critical: {SUBJECT}",
        "  Checkout fails",
        "  0.123, expected 0.01 (0.002 to 0.02), 9.4 sigmas above",
        "  Critical: value 0.123 is 9.4 sigmas above the expected 0.01, since 2026-11-23T05:21:20Z (12 min).",
        "  since 05:21:20 UTC (12 min) ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█",
        "  metric=errors_total, region=eu-1, service=checkout",
        "  Open: https://desk.example/alert",
        "  Runbook: https://r.example",
        "2 held back",
    ]


def test_what_is_new_comes_first_and_what_finds_no_room_is_counted() -> None:
    one = note(resolved(), told(alert({"alertname": "old"}), "same"), told(alert({"alertname": "fresh"}, level="info")))
    assert [row for row in texts.details(one, 5000) if not row.startswith(" ")] == [
        "Info: fresh", "Critical: old", f"Resolved: {SUBJECT}",
    ]  # fmt: skip
    assert texts.details(one, 400)[-1] == "and 2 more"
    assert texts.news(one) == "first message: 1 new, 1 resolved"


@given(hostile.notes(), st.integers(60, 3000))
def test_every_text_is_within_its_limit_and_on_its_lines(one: Notification, limit: int) -> None:
    assert 0 < len(texts.title(one, limit)) <= limit
    lines = texts.details(one, limit, lambda kind, ref: f"https://desk.example/{ref}")
    assert sum(len(row) + 1 for row in lines) - 1 <= limit
    for text in [texts.title(one), texts.news(one), *lines, *(texts.summary(each.alert) for each in one.alerts)]:
        assert "\n" not in text
        assert plain(text) == text


def test_ten_thousand_alerts_have_a_title_at_once() -> None:
    storm = hostile.many(10_000)
    assert texts.title(storm).endswith(", 10000 alerts")
    assert texts.details(storm, 3000)[-1].endswith("more")


@given(st.text(), st.integers(0, 50))
def test_what_is_cut_fits_and_says_so(text: str, limit: int) -> None:
    assert len(clip(text, limit)) <= limit
    assert clip(text, limit) == text or not limit or clip(text, limit).endswith("…")
    text = text.encode(errors="replace").decode()
    assert len(clip_bytes(text, limit).encode()) <= limit
    assert clip_bytes(text, limit) == text or clip_bytes(text, limit).endswith("…") or limit < 3


@given(hostile.TEXTS)
def test_escapes_leave_no_control_and_no_direction_mark(text: str) -> None:
    for escape in ESCAPES.values():
        assert not set(escape(text)) & set("\x00\x1b\r\u202e\u2067\u200f\ud800\x85")
        escape(text).encode()
    assert "\n" not in line(text)
    assert not set(web_address(text)) & set("<>\"'| \n\\")


@given(hostile.TEXTS)
def test_no_sign_that_a_channel_obeys_is_left(text: str) -> None:
    assert not set(ESCAPES["html"](text)) & set("<>\"'")
    assert not set(ESCAPES["slack"](text)) & set("<>")
    assert not set(re.sub(r"\\.", "", ESCAPES["markdown"](text))) & set("[]()*_`<>#!|~")


@given(st.lists(st.floats()), st.integers(1, 40))
def test_a_spark_line_has_a_sign_a_point(values: list[float], points_max: int) -> None:
    assert len(sparkline(values, points_max)) == min(len(values), points_max)


# --- pictures


def size(image: bytes) -> tuple[int, int]:
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", image[16:24])
    return width, height


@pytest.mark.parametrize("level", ["info", "warning", "critical"])
def test_a_picture_is_of_its_size_small_and_the_same_each_time(level: LevelName) -> None:
    image = pictures.draw(alert(level=level))
    assert size(image) == (pictures.WIDTH, pictures.HEIGHT)
    assert len(image) < 30_000
    pictures._drawn.cache_clear()
    assert pictures.draw(alert(level=level)) == image


def test_levels_look_different_and_an_end_too() -> None:
    drawn = {pictures.draw(alert(level=of)) for of in ("info", "warning", "critical")}
    assert len(drawn | {pictures.draw(resolved().alert)}) == 4


def odd(values: list[float], times: list[float], **fields: float | None) -> Alert:
    return msgspec.structs.replace(alert(), evidence_v=values, evidence_t=times, **fields)


@hypothesis_settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(), st.floats()), min_size=2, max_size=8),
    st.one_of(st.none(), st.floats()),
    st.one_of(st.none(), st.floats()),
)
def test_any_evidence_is_drawn_or_said_to_be_too_little(
    points: list[tuple[float, float]], lower: float | None, upper: float | None
) -> None:
    one = odd([v for _, v in points], [t for t, _ in points], lower=lower, upper=upper, expected=lower)
    if pictures.can_draw(one):
        assert size(pictures.draw(one)) == (pictures.WIDTH, pictures.HEIGHT)
    else:
        with pytest.raises(ValueError, match="points"):
            pictures.draw(one)


@pytest.mark.parametrize("value", [0.0, -0.0, 5.0, 1e99, -1e99, 1e-300, 5e-324])
def test_flat_lines_are_drawn(value: float) -> None:
    assert pictures.draw(odd([value] * 8, [NOW_S + i for i in range(8)], lower=value, upper=value))
    assert pictures.draw(odd([value, 1.0], [NOW_S, NOW_S]))


def test_threads_may_draw_at_once() -> None:
    alone = [pictures.draw(alert(evidence_v=[float(i), 2.0, 3.0], evidence_t=[1.0, 2.0, 3.0])) for i in range(4)]
    pictures._drawn.cache_clear()
    found: dict[int, bytes] = {}

    def work(i: int) -> None:
        found[i] = pictures.draw(alert(evidence_v=[float(i), 2.0, 3.0], evidence_t=[1.0, 2.0, 3.0]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(4)] == alone
