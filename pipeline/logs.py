"""Structured logs on stderr: JSON for machines, colours for a terminal. Kafka's loggers are held to a rate."""

import logging
import sys
import time
from collections.abc import MutableMapping
from typing import Any

import structlog

_EVERY_S = 10.0
_NOISY = ("aiokafka", "kafka", "faust", "mode")
_INDISCREET = ("httpx", "httpcore")  # they log addresses, which are often credentials


class RateLimit(logging.Filter):
    """One line of a kind in ten seconds, with the number held back: an outage of 22 s logs 2,200 errors otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_NOISY) or record.levelno < logging.WARNING:
            return True
        key = (record.name, record.levelno, str(record.msg)[:60])
        now_s = time.monotonic()
        since_s, held = self._seen.get(key, (-_EVERY_S, 0))
        if now_s - since_s < _EVERY_S:
            self._seen[key] = (since_s, held + 1)
            return False
        if len(self._seen) > 1000:  # messages with their arguments formatted in
            self._seen.clear()
        self._seen[key] = (now_s, 0)
        if held:
            record.msg = f"{record.msg} (and {held} more like it)"
        return True


def configure(level: str = "INFO", *last: Any) -> None:
    """Sets up structlog and the standard library's root logger alike. last: processors that see a line just before it
    is written."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.format_exc_info,
    ]
    terminal = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(default=repr)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RateLimit())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[_drop_private, structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in (*_NOISY, *_INDISCREET):
        logging.getLogger(name).setLevel(logging.WARNING)


def _drop_private(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """mode adds its whole configuration object to some records."""
    event.pop("data", None)
    return event
