"""The last states of each alert, from which `alerting/noise/flapping.py` tells whether it flaps."""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, delete, func, select

from alerting.alert import Alert, Decision
from alerting.noise import flapping
from alerting.noise.flapping import FlapState
from pipeline.desk import alerts, log, tables
from pipeline.desk.bulk import chunks, upsert
from schemas.desk import Flapping

_t = tables.flaps.c
_encode = msgspec.json.Encoder().encode
_state = msgspec.json.Decoder(FlapState)


def flapping_now(conn: Connection) -> frozenset[str]:
    """Fingerprints."""
    return frozenset(conn.execute(select(_t.fingerprint).where(_t.is_flapping)).scalars())


def next_s(conn: Connection) -> float | None:
    found: float | None = conn.execute(select(func.min(_t.settles_s))).scalar_one()
    return found


def hear(conn: Connection, heard: Sequence[Alert], rule: Flapping, now_s: float) -> list[Decision]:
    """How alerts stand, in order; one may be among them several times. Returns what starts or stops to flap."""
    if not rule.enabled:
        return []
    states = _load(conn, {alert.fingerprint for alert in heard})
    before = dict(states)
    found = []
    for alert in heard:
        old = states.get(alert.fingerprint)
        new = states[alert.fingerprint] = flapping.step(old, alert.is_firing, now_s, rule)
        if (old is not None and old.is_flapping) != new.is_flapping:
            found.append(_line(alert, new, now_s))
    _save(conn, {print_: state for print_, state in states.items() if before.get(print_) != state}, rule)
    return found


def settle(conn: Connection, rule: Flapping, now_s: float) -> int:
    """Those that time alone has calmed; all of them where the rule is switched off. Returns how many."""
    if not rule.enabled:
        return _switched_off(conn, now_s)
    due = list(conn.execute(select(_t.fingerprint).where(_t.settles_s <= now_s).order_by(_t.fingerprint)).scalars())
    if due:
        stand = alerts.many(conn, due)
        forget(conn, [print_ for print_ in due if print_ not in stand])
        log.add(conn, hear(conn, [stand[print_] for print_ in due if print_ in stand], rule, now_s))
    return len(due)


def forget(conn: Connection, fingerprints: Iterable[str]) -> None:
    for chunk in chunks(fingerprints):
        conn.execute(delete(tables.flaps).where(_t.fingerprint.in_(chunk)))


def _switched_off(conn: Connection, now_s: float) -> int:
    flapping = sorted(flapping_now(conn))
    text = "no longer watched for flapping: it is switched off"
    log.add(conn, [Decision(at_s=now_s, what="settled", text=text, fingerprint=print_) for print_ in flapping])
    return conn.execute(delete(tables.flaps)).rowcount


def _load(conn: Connection, fingerprints: Iterable[str]) -> dict[str, FlapState]:
    found = {}
    for chunk in chunks(sorted(fingerprints)):
        for row in conn.execute(select(_t.fingerprint, _t.body).where(_t.fingerprint.in_(chunk))):
            found[row.fingerprint] = _state.decode(row.body)
    return found


def _save(conn: Connection, states: dict[str, FlapState], rule: Flapping) -> None:
    rows = [
        {
            "fingerprint": print_,
            "is_flapping": state.is_flapping,
            "settles_s": flapping.settles_at_s(state, rule),
            "body": _encode(state),
        }
        for print_, state in states.items()
    ]
    upsert(conn, tables.flaps, rows)


def _line(alert: Alert, state: FlapState, now_s: float) -> Decision:
    return Decision(
        at_s=now_s,
        what="flapping" if state.is_flapping else "settled",
        text=f"{flapping.percent(state.history):.0f} % of its last states were changes",
        episode=alert.episode,
        fingerprint=alert.fingerprint,
    )
