"""Raw aiokafka with orjson: decodes each message and does nothing with it. The limit of one Python object a record."""

import asyncio

import orjson
from aiokafka import AIOKafkaConsumer

from benchmarks.peers.stopwatch import Stopwatch, Task


async def main() -> None:
    task = Task.from_arguments()
    watch = Stopwatch(task)
    consumer = AIOKafkaConsumer(
        task.topic,
        bootstrap_servers=task.bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
        fetch_max_bytes=50 << 20,
        max_partition_fetch_bytes=10 << 20,
    )
    await consumer.start()
    while True:
        polled = await consumer.getmany(timeout_ms=500, max_records=task.poll_records)
        done = 0
        for records in polled.values():
            for record in records:
                value = orjson.loads(record.value)
                done += len(value) if type(value) is list else 1
        watch.add(done)


if __name__ == "__main__":
    asyncio.run(main())
