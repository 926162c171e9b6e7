# google-re2 1.1: what Tidegauge uses of it.
from typing import AnyStr, Generic

class error(Exception): ...  # args[0] is bytes

class Options:
    max_mem: int
    log_errors: bool
    never_capture: bool
    dot_nl: bool
    def __init__(self) -> None: ...

class _Match(Generic[AnyStr]): ...

class _Regexp(Generic[AnyStr]):
    def fullmatch(self, text: AnyStr, pos: int | None = None, endpos: int | None = None) -> _Match[AnyStr] | None: ...
    @property
    def programsize(self) -> int: ...

def compile(pattern: AnyStr, options: Options | None = None) -> _Regexp[AnyStr]: ...
