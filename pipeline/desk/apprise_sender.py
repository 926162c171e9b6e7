"""Hands a message to Apprise, an optional extra, in a thread. It says whether all went well, not what went wrong."""

import importlib.util
import logging

from pipeline.desk.threads import own_thread
from schemas.calls import AppriseCall, Reply, Retry

_REFUSED = 599


async def send(call: AppriseCall) -> Reply:
    """200, or 599 where an address isn't one that Apprise knows. Raises Retry where one of its services failed."""
    if importlib.util.find_spec("apprise") is None:
        return Reply(_REFUSED, body=b"Apprise isn't installed: pip install 'tidegauge[apprise]'")
    return await own_thread(lambda: _send(call))


def _send(call: AppriseCall) -> Reply:
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its messages carry the addresses, which are secrets
    told = apprise.Apprise()
    for number, url in enumerate(call.urls, 1):
        if not told.add(url):
            return Reply(_REFUSED, body=f"address {number} is none that Apprise knows".encode())
    if not told.notify(title=call.title, body=call.body, notify_type=apprise.NotifyType(call.kind)):
        raise Retry("Apprise couldn't reach at least one of the services")
    return Reply(200)
