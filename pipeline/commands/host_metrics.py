"""What this machine says about itself, as native metric events: processor, memory, disk, network, load.

Rates only: what the system counts upwards is published as the rate since the sample before, so that a restart of the
machine or a device that comes and goes makes no jump.
"""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import psutil

from schemas.metric import Series

_DEVICES_MAX: Final = 32  # of a kind: a host of containers has thousands of interfaces
_NOT_DISKS: Final = ("loop", "ram", "zram", "sr")

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class Event:
    """One native metric event. `unit`: of the value."""

    series: Series
    timestamp_s: float
    value: float
    unit: str = ""

    def encode(self) -> bytes:
        event: dict[str, object] = {
            "metric": self.series.metric,
            "labels": dict(self.series.labels),
            "timestamp": self.timestamp_s,
            "value": self.value,
            "kind": "gauge",
        }
        if self.unit:
            event["unit"] = self.unit
        return _encoder.encode(event)

    def key(self) -> bytes:
        """Of the Kafka record: the series, so that it stays on one partition."""
        return str(self.series).encode()


class Host:
    """Takes samples. The first has no rates and no processor load: they are of the time since the sample before."""

    def __init__(self, name: str | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._name = name or socket.gethostname()
        self._monotonic = monotonic
        self._before: dict[Series, int] = {}
        self._before_s = 0.0

    def sample(self, now_s: float) -> list[Event]:
        """All that this system tells now. now_s: Unix seconds, of the events."""
        first = not self._before_s
        elapsed_s = self._monotonic() - self._before_s
        self._before_s += elapsed_s
        cpu_percent = psutil.cpu_percent(None)
        events = [Event(self._series("host_cpu_percent"), now_s, cpu_percent, "%")] if not first else []
        for metric, labels, value, unit in self._gauges():
            events.append(Event(self._series(metric, labels), now_s, value, unit))
        counted = {self._series(metric, labels): count for metric, labels, count in _counters()}
        for series, count in counted.items():
            # A smaller count: the device was taken out and put in again.
            if not first and elapsed_s > 0 and count >= self._before.get(series, count + 1):
                events.append(Event(series, now_s, (count - self._before[series]) / elapsed_s, "bytes/s"))
        self._before = counted
        return events

    def _series(self, metric: str, labels: Mapping[str, str] | None = None) -> Series:
        return Series.of(metric, {"host": self._name, **(labels or {})})

    def _gauges(self) -> Iterator[tuple[str, dict[str, str], float, str]]:
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        yield "host_memory_used_percent", {}, memory.percent, "%"
        yield "host_memory_available_bytes", {}, float(memory.available), "bytes"
        if swap.total:
            yield "host_swap_used_percent", {}, swap.percent, "%"
        yield "host_load1", {}, psutil.getloadavg()[0], ""
        for mount in _mounts():
            try:
                used_percent = psutil.disk_usage(mount).percent
            except OSError:  # taken out, or not ours to look at
                continue
            yield "host_disk_used_percent", {"mount": mount}, used_percent, "%"


def _mounts() -> list[str]:
    """One a device, the shortest path: containers mount the same disk many times over."""
    shortest: dict[str, str] = {}
    for part in sorted(psutil.disk_partitions(), key=lambda part: len(part.mountpoint)):
        shortest.setdefault(part.device, part.mountpoint)
    mounts = list(shortest.values())
    return (mounts if "/" in mounts else ["/", *mounts])[:_DEVICES_MAX]  # in a container / has no device of its own


def _counters() -> Iterator[tuple[str, dict[str, str], int]]:
    disks = psutil.disk_io_counters(perdisk=True) or {}
    for device in sorted(name for name in disks if not name.startswith(_NOT_DISKS))[:_DEVICES_MAX]:
        yield "host_disk_read_bytes_per_s", {"device": device}, disks[device].read_bytes
        yield "host_disk_written_bytes_per_s", {"device": device}, disks[device].write_bytes
    networks = psutil.net_io_counters(pernic=True) or {}
    for interface in sorted(networks)[:_DEVICES_MAX]:
        yield "host_network_received_bytes_per_s", {"interface": interface}, networks[interface].bytes_recv
        yield "host_network_sent_bytes_per_s", {"interface": interface}, networks[interface].bytes_sent
