# What benchmarks/peers uses; the library itself is only in the peers' environment.
from typing import Generic, TypeVar

X = TypeVar("X")

class Dataflow:
    def __init__(self, flow_id: str) -> None: ...

class Stream(Generic[X]): ...
