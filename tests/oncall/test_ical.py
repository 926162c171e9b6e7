"""A calendar that others read: whatever the names, it has the shifts and nothing else."""

import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from incidents.oncall.ical import calendar, uid
from incidents.oncall.overrides import Override
from incidents.oncall.spans import Span
from pipeline.desk.incidents import rota
from schemas.response.oncall import Layer, Schedule

NAMES = st.one_of(
    st.sampled_from(["ann", "a\r\nEND:VEVENT\r\nBEGIN:VALARM", "a,b;c:d\\n", 'x"', "é" * 60, "\u2028", "\x00\x1b[2J"]),
    st.text(max_size=80),
)


def parsed(text: str) -> list[tuple[str, str]]:
    """Names and values, by the letter of RFC 5545, 3.1: CRLF, lines of at most 75 octets, folded lines joined."""
    lines = text.encode().split(b"\r\n")
    assert lines.pop() == b""
    assert all(len(line) <= 75 and b"\n" not in line and b"\r" not in line for line in lines)
    assert all(line.decode() for line in lines)
    whole: list[str] = []
    for line in lines:
        if line.startswith(b" "):
            whole[-1] += line[1:].decode()
        else:
            whole.append(line.decode())
    found = [re.fullmatch(r"([A-Z-]+)(?:;[A-Z]+=[A-Z]+)?:(.*)", line, re.DOTALL) for line in whole]
    return [(one[1], one[2]) for one in found if one]


def unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], value)


def readable(text: str) -> str:
    """What of a text can stand in a calendar."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return (
        "".join(c for c in text if c in "\n\t" or not (ord(c) < 32 or ord(c) == 127))
        .encode("utf-8", "replace")
        .decode()
    )


@given(NAMES, st.lists(NAMES, max_size=5), NAMES)
def test_any_name_arrives_and_none_writes_a_line(name: str, people: list[str], note: str) -> None:
    shifts = [Span(3600.0 * n, 3600.0 * (n + 1), person, None, "o") for n, person in enumerate(people)]
    found = parsed(calendar(name, shifts, {"o": note}, 5.0))
    assert [value for key, value in found if key in ("BEGIN", "END")] == [
        "VCALENDAR",
        *["VEVENT"] * 2 * len(people),
        "VCALENDAR",
    ]
    told = [unescaped(value) for key, value in found if key == "SUMMARY"]
    assert told == [readable(f"{person} is on call: {name}") for person in people]
    assert {unescaped(value) for key, value in found if key == "DESCRIPTION"} == (
        {readable(note)} if note and people else set()
    )
    starts = [
        datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) for key, value in found if key == "DTSTART"
    ]
    assert [start.timestamp() for start in starts] == [shift.start_s for shift in shifts]


SCHEDULE = Schedule("s", (Layer(("ann", "bob"), datetime.fromisoformat("2026-01-05T09:00"), 24 * 21, "Europe/Berlin"),))


def events(now_s: float, overrides: list[Override] | None = None, person: str | None = None) -> dict[str, str]:
    found = parsed(rota.calendar(SCHEDULE, overrides or [], person, now_s))
    ids = [value for key, value in found if key == "UID"]
    return dict(zip(ids, [value for key, value in found if key == "SUMMARY"], strict=True))


def test_an_event_keeps_its_id_from_day_to_day() -> None:
    now_s = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
    before, after = events(now_s), events(now_s + 86_400.0)
    assert len(set(before) & set(after)) >= len(before) - 1
    assert all(after[key] == before[key] for key in set(before) & set(after))


def test_an_override_changes_the_event_it_takes_over_and_says_who_made_it() -> None:
    now_s = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
    start_s = datetime(2026, 6, 22, 7, tzinfo=UTC).timestamp()
    made = Override("o", "s", "cid", start_s, start_s + 21 * 86_400, by="dee", note="ann is away")
    before, after = events(now_s), events(now_s, [made])
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {uid("s", start_s)}
    assert after[uid("s", start_s)].startswith("cid is on call")
    assert "DESCRIPTION:made by dee: ann is away" in rota.calendar(SCHEDULE, [made], None, now_s)
    assert list(events(now_s, [made], "cid")) == [uid("s", start_s)]
