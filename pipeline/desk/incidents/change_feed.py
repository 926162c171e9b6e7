"""The changes topic: read as alerts are, from where the database says; a record that is no change stops nothing."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pipeline.desk.database import Database
from pipeline.desk.feed import Reading, TopicFeed
from pipeline.desk.incidents import changes
from schemas.change import Change, decode_change
from schemas.desk import Desk

if TYPE_CHECKING:
    from kafka import ConsumerRecord


def read(record: "ConsumerRecord") -> Change:
    """Raises ChangeError, which is a ValueError."""
    return decode_change(record.value, text_headers(record.headers))


def text_headers(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Names in lower case.

    >>> text_headers([("CE_Type", b"x"), ("other", None)])
    {'ce_type': 'x', 'other': ''}
    """
    return {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in headers}


CHANGES: Reading[Change] = Reading("change", read, changes.take)


class ChangeFeed(TopicFeed[Change]):
    def __init__(
        self,
        db: Database,
        desk: Desk,
        bootstrap: str,
        topic: str,
        group: str,
        now: Callable[[], float],
        on_new: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(db, desk, bootstrap, topic, group, now, on_new, CHANGES)
