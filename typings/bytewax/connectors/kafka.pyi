from collections.abc import Iterable

class KafkaSourceMessage:
    key: bytes | None
    value: bytes

class KafkaSource:
    def __init__(
        self, brokers: Iterable[str], topics: Iterable[str], tail: bool = True, *, batch_size: int = 1000
    ) -> None: ...
