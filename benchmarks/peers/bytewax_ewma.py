"""A Bytewax dataflow: decodes, keeps mean and variance (EWMA) of each series, marks what is over 3 sigma.

Its state is three floats a series, without recovery to disk, and its alerts stay inside: all in its favour.
"""

import orjson
from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.connectors.stdio import StdOutSink
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from benchmarks.peers.stopwatch import Stopwatch, Task

WEIGHT = 0.05  # of a new value
Moments = tuple[float, float]  # mean, variance


def main() -> None:
    task = Task.from_arguments()
    watch = Stopwatch(task)

    def decode(message: KafkaSourceMessage) -> tuple[str, float]:
        event = orjson.loads(message.value)
        return event["labels"]["host"], event["value"]

    def step(moments: Moments | None, x: float) -> tuple[Moments, bool]:
        mean, variance = moments or (x, 0.0)
        change = x - mean
        over = change * change > 9.0 * variance > 0.0
        watch.add()
        return (mean + WEIGHT * change, (1.0 - WEIGHT) * (variance + WEIGHT * change * change)), over

    flow = Dataflow("ewma")
    source = KafkaSource([task.bootstrap], [task.topic], tail=False, batch_size=task.poll_records)
    messages = op.input("kafka", flow, source)
    judged = op.stateful_map("ewma", op.map("decode", messages, decode), step)
    op.output("nowhere", op.filter("drop", judged, lambda item: False), StdOutSink())
    run_main(flow)


if __name__ == "__main__":
    main()
