"""The plain Faust agent with one river `GaussianScorer` a series: the obvious way to build this in Python."""

from typing import Any

import faust
import orjson
from river import anomaly

from benchmarks.peers.faust_plain import app_for, run
from benchmarks.peers.stopwatch import Stopwatch, Task


def main() -> None:
    task = Task.from_arguments()
    watch = Stopwatch(task)
    app = app_for(task)
    models: dict[str, Any] = {}
    new_model: Any = anomaly.GaussianScorer  # river's has no types

    @app.agent(app.topic(task.topic, key_type=bytes, value_type=bytes, value_serializer="raw"))
    async def score(stream: faust.StreamT[bytes]) -> None:
        async for value in stream:
            event = orjson.loads(value)
            host, x = event["labels"]["host"], event["value"]
            model = models.get(host)
            if model is None:
                model = models[host] = new_model(window_size=100)
            model.score_one(None, x)
            model.learn_one(None, x)
            watch.add()

    run(app)


if __name__ == "__main__":
    main()
