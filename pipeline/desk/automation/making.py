"""Makes any remedy's calls: HTTP with the certificates and the name that its settings give, Kafka, programs."""

from pydantic import BaseModel

from incidents.remedies.base import Call
from pipeline.desk.automation import exec as programs
from pipeline.desk.senders import Senders
from schemas.calls import ExecCall, Reply
from schemas.desk import Integration


class Maker:
    """senders: the desk's own, or another's. One for all remedies."""

    def __init__(self, senders: Senders) -> None:
        self._senders = senders

    async def make(self, remedy: str, kind: str, settings: BaseModel, call: Call) -> Reply:
        """remedy: its name, once in the config. Raises Retry where nothing came back, Refused where nothing will."""
        if isinstance(call, ExecCall):
            return await programs.run(call)
        # What connections are made of is the same for all who are spoken to.
        known_as = Integration(f"automation/{remedy}", kind, 0, settings, send_resolved=False)
        return await self._senders.make(known_as, call)
