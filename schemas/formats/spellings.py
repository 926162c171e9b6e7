"""What a format remembers: the answer for a spelling it has read exactly before."""

from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")
BYTES_MAX = 256 << 20
_KEY_BYTES_MAX = 4096
_ENTRY_BYTES = 256  # of the objects and the slot around a short key, measured with 100,000 series


class Spellings(Generic[T]):
    """A dictionary with a bound on its memory. One series can be spelled in endless ways (order, escapes, white space),
    so a full one starts afresh: only speed changes."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._known: dict[Hashable, T] = {}
        self.get = self._known.get
        self._bytes = 0
        self._bytes_max = bytes_max

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, spelling: Hashable, key_bytes: int, answer: T) -> None:
        """`key_bytes`: about the size of the text in `spelling`; too long ones aren't kept."""
        if key_bytes > _KEY_BYTES_MAX or spelling in self._known:
            return
        self._bytes += key_bytes + _ENTRY_BYTES
        if self._bytes > self._bytes_max:
            self.clear()
            self._bytes = key_bytes + _ENTRY_BYTES
        self._known[spelling] = answer

    def clear(self) -> None:
        self._known.clear()
        self._bytes = 0
