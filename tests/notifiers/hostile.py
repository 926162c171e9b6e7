"""Alerts whose labels were written by somebody who wishes us ill, or by nobody at all."""

import msgspec
from hypothesis import strategies as st

from alerting.alert import Notification, Reason, Told, What
from schemas.levels import LevelName
from tests.notifiers.notes import NOW_S, alert, note

NASTY = [
    "<!channel>", "<!here|x>", "<@U123>", "<https://evil.example|Open>", "&lt;!channel&gt;", "*bold* _it_ `code` ~x~",
    "<script>alert(1)</script>", '" onmouseover="x', "'><img src=x>", "javascript:alert(1)", "</td></table>",
    "[click](https://evil.example)", "![x](https://evil.example/x.png)", "**b** # h", "{{DATE(2020-01-01,SHORT)}}",
    "<at>everyone</at>", "a\r\nBcc: all@example.com", "x\n\n--=_boundary\n", "\u202eevil\u202c", "\u200f\u2067rtl",
    "\u061c", "\ud800", "\x00\x01\x1b[31m\x7f\x85", "{{ 1/0 }}", "{% for x in y %}", "{{ .Labels }}", "$x^2$",
    "é" * 300, "漢" * 4000, "a" * 10_000, "&" * 5_000, "<" * 5_000, "😀" * 3_000, "", " ", "\t\n", "=?utf-8?q?evil?=",
    "a@b, c@d", "a, b <x@y>", "http://evil.example/ x", "cid:0123456789abcdef",
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(NASTY), st.text(max_size=200), st.text(st.characters(categories=["Cc", "Cf", "Zs"])))
NAMES = st.one_of(st.sampled_from(["alertname", "service", "host", "metric", "severity", "summary"]), TEXTS)
LEVELS: st.SearchStrategy[LevelName] = st.sampled_from(["info", "warning", "critical"])
WHATS: st.SearchStrategy[What] = st.sampled_from(
    ["new", "raised", "lowered", "same", "flapping", "resolved", "departed"]
)
REASONS: st.SearchStrategy[Reason] = st.sampled_from(
    ["first_notification", "new_alerts", "level_raised", "level_lowered", "some_resolved", "repeat_interval"]
)
NUMBERS = st.one_of(st.none(), st.floats())


PLAIN = alert()


@st.composite
def tolds(draw: st.DrawFn) -> Told:
    what = draw(WHATS)
    ended = what in ("resolved", "departed")
    one = msgspec.structs.replace(
        PLAIN,
        labels=draw(st.dictionaries(NAMES, TEXTS, max_size=6)),
        fingerprint="0123456789abcdef",
        status="resolved" if ended else "firing",
        ends_at_s=NOW_S if ended else None,
        level=draw(LEVELS),
        rule=draw(TEXTS),
        why=draw(TEXTS),
        generator_url=draw(TEXTS),
        evidence_v=draw(st.lists(st.floats(), max_size=5)),
        evidence_t=[NOW_S + i for i in range(5)],
        starts_at_s=draw(st.sampled_from([NOW_S - 600, 0.0, NOW_S + 5])),
    )
    annotated = draw(
        st.dictionaries(st.sampled_from(["summary", "description", "runbook_url", "dashboard_url"]), TEXTS, max_size=4)
    )
    numbers = {name: draw(NUMBERS) for name in ("value", "expected", "lower", "upper", "deviation")}
    previous = draw(st.one_of(st.none(), LEVELS))
    return Told(msgspec.structs.replace(one, annotations=annotated, **numbers), what, previous)


@st.composite
def notes(draw: st.DrawFn) -> Notification:
    told = draw(st.lists(tolds(), min_size=1, max_size=4))
    reason: Reason = "all_resolved" if all(one.what in ("resolved", "departed") for one in told) else draw(REASONS)
    labels = draw(st.dictionaries(NAMES, TEXTS, max_size=3))
    return note(*told, reason=reason, labels=labels, muted=draw(st.integers(0, 5)), receiver=draw(TEXTS))


def many(count: int) -> Notification:
    """A storm of alerts that are all different and all long."""
    told = [
        Told(
            msgspec.structs.replace(
                PLAIN,
                labels={"alertname": f"rule {i % 50}", "service": f"<b>{i}</b>" * 20, "host": f"host-{i}"},
                fingerprint=f"{i:016x}",
                why="x" * 300,
            ),
            "new",
        )
        for i in range(count)
    ]
    return note(*told, kind="storm", labels={})
