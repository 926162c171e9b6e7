"""Publishes the shop and this machine, second by second: first a backdated hour at once, then as time goes by."""

from collections.abc import Callable

from pipeline.commands.clients import Sender
from pipeline.commands.host_metrics import Event, Host
from pipeline.demo.shop import CYCLE_S, HISTORY_S, NEW, NEW_EVERY_S, NEW_UNTIL_S, NORMALS, Shop

HISTORY_EVENTS = HISTORY_S * len(NORMALS)


class Stage:
    """`now_s` is Unix seconds everywhere."""

    def __init__(self, sender: Sender, now_s: float) -> None:
        self._sender, self._shop, self._host = sender, Shop(), Host()
        self._base_s = int(now_s) - HISTORY_S
        self._next = 0  # second to publish next, from the start of the history
        self._script_from: int | None = None

    def history(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """All of it; told how many events were published, a minute of history at a time."""
        while self._next < HISTORY_S:
            self._publish_second()
            if self._next % 60 == 0:
                progress(60 * len(NORMALS))
        self._sender.flush()

    def begin(self, now_s: float) -> None:
        """The script starts with the next second."""
        self.catch_up(now_s)
        self._script_from = self._next

    @property
    def script_s(self) -> int:
        """Seconds of the script that were published; 0 before it begins."""
        return 0 if self._script_from is None else self._next - self._script_from

    @property
    def next_s(self) -> float:
        """When the next second is due."""
        return float(self._base_s + self._next)

    def catch_up(self, now_s: float) -> None:
        """Every second that is due, those too that a busy machine was late for; and one sample of this machine."""
        if now_s < self.next_s:
            return
        for event in self._host.sample(now_s):
            self._sender.send(event.encode(), event.key())
        while self.next_s <= now_s:
            self._publish_second()

    def _publish_second(self) -> None:
        script_s = -1 if self._script_from is None else self.script_s % CYCLE_S
        at_s = self.next_s
        events = [Event(series, at_s, value, unit) for series, value, unit in self._shop.second(self._next, script_s)]
        if 0 <= self._next - HISTORY_S < NEW_UNTIL_S and self._next % NEW_EVERY_S == 0:
            events.append(Event(NEW, at_s, self._shop.new_feature()))
        for event in events:
            self._sender.send(event.encode(), event.key())
        self._next += 1
