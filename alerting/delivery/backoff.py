"""How long to wait before trying again: exponential, with a jitter that is the same whenever it is asked for."""

import hashlib

FIRST_S = 2.0
MAX_S = 300.0
# A service that asks for more than this is asked again earlier: a page is waiting.
RETRY_AFTER_MAX_S = 900.0


def delay_s(attempt: int, seed: str) -> float:
    """Seconds to wait after the `attempt`th failure (1 is the first): between half and all of 2, 4, 8, ... 300.

    seed: anything that differs between those who would otherwise all try at the same moment, such as the delivery's id.

    >>> [round(delay_s(n, seed="a"), 1) for n in (1, 2, 3, 20)]
    [1.2, 2.1, 7.0, 217.7]
    """
    whole_s = min(MAX_S, FIRST_S * 2.0 ** min(attempt - 1, 30))
    digest = hashlib.blake2b(f"{seed}:{attempt}".encode(), digest_size=8).digest()
    return whole_s * (0.5 + 0.5 * int.from_bytes(digest) / 2**64)


def due_s(now_s: float, attempt: int, seed: str, retry_after_s: float | None = None) -> float:
    """When to try again; not before the service's Retry-After, within reason."""
    return now_s + max(delay_s(attempt, seed), min(retry_after_s or 0.0, RETRY_AFTER_MAX_S))
