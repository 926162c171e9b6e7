"""Label text of strangers on a terminal."""

import io

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.commands.rendering import plain, rank_of, render
from schemas.alert import AlertEvent, Evidence

EVENT = AlertEvent(
    id="0" * 32,
    seq=0,
    status="firing",
    level="critical",
    previous_level="warning",
    rule="errors",
    detector="threshold",
    fingerprint="0" * 16,
    labels={"alertname": "errors", "metric": "shop_error_ratio", "service": "checkout"},
    annotations={},
    starts_at="2026-11-23T05:33:20.000Z",
    at="2026-11-23T05:33:22.000Z",
    ends_at=None,
    value=0.08,
    expected=0.003,
    lower=None,
    upper=None,
    score=1.2,
    deviation=9.0,
    direction="above",
    evidence=Evidence([], []),
    why="Critical (was warning): value 0.08 is > 0.05.",
    source=None,
    config="0" * 16,
)


def shown(event: AlertEvent) -> str:
    sink = io.StringIO()
    Console(file=sink, markup=False, highlight=False, soft_wrap=True).print(render(event))
    return sink.getvalue()


def test_an_alert_is_two_lines_with_what_matters() -> None:
    first, second = shown(EVENT).splitlines()
    for part in ("CRITICAL", EVENT.at, "errors", 'shop_error_ratio{service="checkout"}', "0.08, expected 0.003"):
        assert part in first
    assert second.strip() == EVENT.why


def test_markup_in_a_label_is_shown_as_it_is() -> None:
    event = msgspec.structs.replace(EVENT, labels={**EVENT.labels, "service": "[bold red]x[/] :boom: [/nothing]"})
    assert "[bold red]x[/] :boom: [/nothing]" in shown(event)


@given(st.text(), st.text(), st.text(), st.text())
def test_no_label_can_move_the_cursor_or_forge_a_line(name: str, value: str, rule: str, why: str) -> None:
    event = msgspec.structs.replace(
        EVENT, labels={"metric": name, name: value, "alertname": rule}, rule=rule, why=why, at=value
    )
    text = shown(event)
    assert text.count("\n") == 2
    assert text.replace("\n", "").isprintable()


@given(st.text())
def test_plain_text_is_left_alone(text: str) -> None:
    assert plain(text).isprintable()
    assert plain(text) == text or not text.isprintable()


def test_a_resolution_is_as_loud_as_the_level_it_ends() -> None:
    assert rank_of(msgspec.structs.replace(EVENT, status="resolved", level=None, previous_level="critical")) == 3
    assert rank_of(msgspec.structs.replace(EVENT, level="info", previous_level=None)) == 1
