"""Whether a webhook comes from whom it says: all comparisons take the same time, whatever is wrong."""

import hashlib
import hmac

SLACK_AGE_S_MAX = 300.0  # "Verifying requests from Slack": five minutes
_SIGNATURES_MAX = 10


def by_pagerduty(header: str, body: bytes, secrets: list[str]) -> bool:
    """`X-PagerDuty-Signature: v1=HEX[,v1=HEX]`: while a secret is changed there are several, and any is enough.

    >>> made = hmac.new(b"s", b"{}", hashlib.sha256).hexdigest()
    >>> by_pagerduty(f"v1={'0' * 64},v1={made}", b"{}", ["s"]), by_pagerduty(f"v0={made}", b"{}", ["s"])
    (True, False)
    """
    given = [part.strip().removeprefix("v1=") for part in header.split(",") if part.strip().startswith("v1=")]
    wanted = [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets]
    found = [_same(one, other) for one in given[:_SIGNATURES_MAX] for other in wanted]
    return any(found)


def by_slack(header: str, timestamp: str, body: bytes, secret: str, now_s: float) -> bool:
    """`X-Slack-Signature: v0=HEX` over `v0:{timestamp}:{body}`, not older than five minutes.

    >>> made = "v0=" + hmac.new(b"s", b"v0:100:x", hashlib.sha256).hexdigest()
    >>> [by_slack(made, "100", b"x", "s", now_s) for now_s in (100.0, 400.0, 401.0)]
    [True, True, False]
    """
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 13):
        return False
    wanted = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return _same(header, f"v0={wanted}") and abs(now_s - int(timestamp)) <= SLACK_AGE_S_MAX


def by_us(given: str, secret: str) -> bool:
    """A secret that we gave away: equal as it is."""
    return _same(hashlib.sha256(given.encode()).hexdigest(), hashlib.sha256(secret.encode()).hexdigest())


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())
