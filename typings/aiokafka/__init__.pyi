# What we use of aiokafka, which ships no types. Faust is typed against it too, so whatever isn't named here is Any.
from typing import Any

def __getattr__(name: str) -> Any: ...
