"""A Faust agent as the documentation shows it, one event a message: decodes with orjson, and does nothing with it.

The settings are in its favour: raw bytes instead of Faust's own serializers, large polls and buffers, no leader topic.
"""

import time

import faust
import orjson

from benchmarks.peers.stopwatch import Stopwatch, Task


def app_for(task: Task) -> faust.App:
    return faust.App(
        f"bench-faust-{time.time_ns()}",
        broker=f"kafka://{task.bootstrap}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=task.poll_records,
        consumer_max_fetch_size=10 << 20,
        stream_buffer_maxsize=65536,
        stream_wait_empty=False,
        worker_redirect_stdouts=False,
    )


def run(app: faust.App) -> None:
    app.finalize()
    faust.Worker(app, loglevel="WARNING", quiet=True, redirect_stdouts=False).execute_from_commandline()


def main() -> None:
    task = Task.from_arguments()
    watch = Stopwatch(task)
    app = app_for(task)

    @app.agent(app.topic(task.topic, key_type=bytes, value_type=bytes, value_serializer="raw"))
    async def decode(stream: faust.StreamT[bytes]) -> None:
        async for value in stream:
            event = orjson.loads(value)
            watch.add(len(event) if type(event) is list else 1)

    run(app)


if __name__ == "__main__":
    main()
