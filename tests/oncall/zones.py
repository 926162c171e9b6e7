"""Zones whose clocks did everything that clocks do, schedules of all shapes, and who is on call, reckoned otherwise."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from schemas.response.oncall import Layer, Restriction, Schedule

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "America/Santiago",  # southern, and at midnight
    "America/Sao_Paulo",  # southern, dropped in 2019
    "Europe/Istanbul",  # dropped in 2016
    "Pacific/Apia",  # 30 December 2011 never was; dropped in 2021
    "Africa/Casablanca",  # back for Ramadan, so four changes a year
    "Antarctica/Troll",  # two hours
    "Asia/Kathmandu",
    "UTC",
)
PEOPLE = ("ann", "bob", "cid", "dee")
FIRST_S = datetime(2008, 1, 1, tzinfo=UTC).timestamp()
LAST_S = datetime(2035, 1, 1, tzinfo=UTC).timestamp()
_MINUTE = timedelta(minutes=1)
_BACK_MAX = 200  # minutes that a clock of these zones was ever set back by, and some more


@lru_cache(64)
def changes(zone: str) -> tuple[float, ...]:
    """When its clock was or will be set, to the second."""
    tz, found = ZoneInfo(zone), []
    day_s = FIRST_S
    while day_s < LAST_S:
        if _offset(day_s, tz) != _offset(day_s + 86_400, tz):
            low, high = day_s, day_s + 86_400
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(middle, tz) == _offset(day_s, tz) else (low, middle)
            found.append(high)
        day_s += 86_400
    return tuple(found)


def _offset(at_s: float, tz: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(at_s, tz).utcoffset()


@lru_cache(100_000)
def furthest(at_s: float, zone: str) -> datetime:
    """The latest that the wall clock had ever shown by then, in whole minutes."""
    whole_s = at_s // 60 * 60
    shown = (datetime.fromtimestamp(whole_s - 60 * back, ZoneInfo(zone)) for back in range(_BACK_MAX))
    return max(moment.replace(tzinfo=None, fold=0) for moment in shown)


def expected(schedule: Schedule, at_s: float) -> list[str]:
    """Who is on call: what was shown has been, however the clock was set back since."""
    for layer in reversed(schedule.layers):
        shown = furthest(at_s, layer.time_zone)
        if shown >= layer.first and (not layer.restrictions or any(_holds(one, shown) for one in layer.restrictions)):
            turn = (shown - layer.first) // timedelta(hours=layer.turn_h)
            return [layer.people[turn % len(layer.people)]]
    return []


def _holds(restriction: Restriction, shown: datetime) -> bool:
    midnight = shown.replace(hour=0, minute=0)
    length = restriction.to_minute - restriction.from_minute
    length += 1440 if length <= 0 else 0
    for days in (0, 1):
        day = midnight - timedelta(days=days)
        start = day + restriction.from_minute * _MINUTE
        if day.weekday() in restriction.days and start <= shown < start + length * _MINUTE:
            return True
    return False


@st.composite
def moments(draw: st.DrawFn, zone: str) -> float:
    """Whole seconds; one in two within a few hours of a change of the clock."""
    near = changes(zone)
    is_near: bool = draw(st.booleans())
    if near and is_near:
        return draw(st.sampled_from(near)) + draw(st.integers(-40 * 3600, 40 * 3600))
    return draw(st.integers(int(FIRST_S), int(LAST_S)))


def minutes() -> st.SearchStrategy[int]:
    """Many at the hours at which clocks are set."""
    return st.one_of(st.sampled_from([0, 30, 60, 90, 120, 150, 180, 210, 540]), st.integers(0, 1439))


@st.composite
def restrictions(draw: st.DrawFn) -> Restriction:
    start, end = draw(minutes()), draw(st.one_of(st.just(1440), minutes()))
    return Restriction(draw(st.frozensets(st.integers(0, 6), min_size=1)), start, end if end != start else 1440)


@st.composite
def layers(draw: st.DrawFn, zone: str, *, restricted: bool = True) -> Layer:
    first = datetime.fromisoformat("2007-12-01") + timedelta(days=draw(st.integers(0, 27)), minutes=draw(minutes()))
    return Layer(
        people=tuple(draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=4))),
        first=first,
        turn_h=draw(st.sampled_from([1, 5, 8, 12, 24, 36, 168, 336])),
        time_zone=zone,
        restrictions=tuple(draw(st.lists(restrictions(), max_size=3))) if restricted else (),
    )


@st.composite
def schedules(draw: st.DrawFn, *, covered: bool = False) -> Schedule:
    """covered: the first layer always has somebody."""
    zone = draw(st.sampled_from(ZONES))
    first = draw(layers(zone, restricted=not covered))
    others = draw(st.lists(st.sampled_from((zone, *ZONES)).flatmap(layers), max_size=2))
    return Schedule("s", (first, *others), zone)
