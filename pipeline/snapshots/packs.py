"""The packs that one save writes: one for what changes every time, one for what likely stays.

Together in one file, the steady blocks would be copied at every save, since the others soon make it mostly dead.
"""

from contextlib import suppress
from pathlib import Path

from pipeline.snapshots.filesystem import Fs, Output
from pipeline.snapshots.format import Piece, Place

PACK, TEMPORARY = ".pack", ".pack.tmp"


class Packs:
    """Packs under a name that no other save of any process has. `sizes`: bytes by pack, as far as written."""

    def __init__(self, fs: Fs, folder: Path, name: str) -> None:
        self._fs, self._folder, self._name = fs, folder, name
        self._open: dict[str, Output] = {}
        self.sizes: dict[str, int] = {}
        self.written = 0

    @property
    def bytes(self) -> int:
        return sum(self.sizes.values())

    def add(self, piece: Piece) -> Place:
        name = f"{self._name}-{'steady' if piece.steady else 'hot'}"
        file = name + PACK
        if name not in self._open:
            self._open[name] = self._fs.create(self._folder / (name + TEMPORARY))
            self.sizes[file] = 0
        place = Place(file, self.sizes[file])
        self._open[name].write(piece.data)
        self.sizes[file] += len(piece.data)
        self.written += 1
        return place

    def finish(self) -> None:
        """Durable, and under their names."""
        for output in self._open.values():
            output.fsync()
            output.close()
        for name in self._open:
            self._fs.rename(self._folder / (name + TEMPORARY), self._folder / (name + PACK))
        if self._open:
            self._fs.fsync_folder(self._folder)

    def abandon(self) -> None:
        """Removes what was written, as far as the disk lets it; the next save does the rest."""
        for name, output in self._open.items():
            with suppress(OSError):
                output.close()
            for ending in (TEMPORARY, PACK):
                with suppress(OSError):
                    self._fs.unlink(self._folder / (name + ending))
