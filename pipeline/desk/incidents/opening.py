"""Alerts that somebody was told of open incidents, or join them. Called by the round that told, in its transaction."""

from collections.abc import Sequence

from sqlalchemy import Connection

from alerting.alert import Notification
from schemas.desk import Desk


def told(conn: Connection, desk: Desk, notes: Sequence[Notification], now_s: float) -> None:
    """notes: what groups said just now, silences and inhibition regarded; whether anybody receives it is no matter."""
