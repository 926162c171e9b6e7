"""All that people ever said, and what of it a partition is still to take in. No I/O."""

from collections.abc import Iterable

from pipeline.partition import Partition
from pipeline.silence import NOTE_BYTES_MAX, note
from schemas.control import Control


class ControlBook:
    """Controls by id, in the order of the control topic; the first of one id counts."""

    def __init__(self) -> None:
        self.known: dict[str, Control] = {}

    def add(self, controls: Iterable[Control]) -> None:
        for control in controls:
            self.known.setdefault(control.id, control)

    def wanted(self, partition: Partition) -> list[Control]:
        """Those of its series and groups that it has not got, nor is to get at a place that is fixed already."""
        looked = len(self.known), len(partition.shard.series), len(partition.admitted)
        if partition.looked == looked:
            return []
        shard = partition.shard
        found = [
            control
            for control in self.known.values()
            if control.id not in shard.controls
            and control.id not in partition.admitted
            and shard.where(control)[1] is not None
        ]
        if not found:
            partition.looked = looked
        return found


def fitting(partition: Partition, controls: list[Control]) -> tuple[list[Control], str]:
    """As many as a note has room for, and that note: they count from where the partition is now."""
    controls = list(controls)
    while True:
        new = dict.fromkeys((control.id for control in controls), partition.next_offset)
        text = note(partition.decided, {**partition.admitted, **new})
        if len(text) <= NOTE_BYTES_MAX or not controls:
            return controls, text
        controls.pop()
