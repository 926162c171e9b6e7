"""The file and those it includes, as one: whose key is whose, and on which line of which file it stands."""

from pathlib import PurePath

from schemas.config.errors import Path, Problem, shown
from schemas.config.machine import Machine
from schemas.config.tree import Broken, Tree, read_yaml

INCLUDES_MAX = 100
INCLUDE = "include"


class Written:
    """`data`: all top-level keys of all files; None or another value where the first file is no mapping.

    problems: mistakes that left it readable. Raises Broken where the first file is not YAML at all.
    """

    def __init__(self, text: str, file: str, machine: Machine) -> None:
        self._machine = machine
        self._file = file
        self._trees: dict[str, Tree] = {}
        self._owner: dict[str, str] = {}
        self.problems: list[Problem] = []
        tree = self._add(text, file)
        self.data: object = tree.data
        if isinstance(tree.data, dict):
            self.data = {}
            self._take(file, tree.data)

    @property
    def files(self) -> tuple[str, ...]:
        """In the order they were read."""
        return tuple(self._trees)

    def problem(self, path: Path, message: str) -> Problem:
        file, tree = self._tree(path)
        return Problem(tree.line(path), tree.written(path), message, file)

    def line(self, path: Path) -> int:
        return self._tree(path)[1].line(path)

    def file(self, path: Path) -> str:
        return self._tree(path)[0]

    def has(self, path: Path) -> bool:
        return path in self._tree(path)[1].lines

    def text(self, path: Path) -> str | None:
        """How a number or truth value is spelled."""
        return self._tree(path)[1].texts.get(path)

    def _tree(self, path: Path) -> tuple[str, Tree]:
        file = self._owner.get(str(path[0]), self._file) if path else self._file
        return file, self._trees[file]

    def _add(self, text: str, file: str) -> Tree:
        tree = self._trees[file] = read_yaml(text)
        self.problems += [Problem(p.line, p.path, p.message, file) for p in tree.problems]
        return tree

    def _take(self, file: str, data: dict[str, object]) -> None:
        tree = self._trees[file]
        for key, value in data.items():
            if key == INCLUDE:
                continue
            if (owner := self._owner.get(key)) is not None:
                message = f"stands in {owner}:{self._trees[owner].line((key,))} too; keep one of them"
                self.problems.append(Problem(tree.line((key,)), (key,), message, file))
            elif isinstance(self.data, dict):
                self._owner[key] = file
                self.data[key] = value
        for at, name in self._includes(file, data.get(INCLUDE, [])):
            reason = self._include(str(PurePath(file).parent / name))
            if reason:
                self.problems.append(Problem(tree.line(at), at, reason, file))

    def _includes(self, file: str, names: object) -> list[tuple[Path, str]]:
        if not isinstance(names, list):
            line = self._trees[file].line((INCLUDE,))
            self.problems.append(Problem(line, (INCLUDE,), f"must be a list of files, got {shown(names)}", file))
            return []
        found: list[tuple[Path, str]] = []
        for position, name in enumerate(names):
            at = (INCLUDE, position)
            if isinstance(name, str) and name:
                found.append((at, name))
            else:
                message = f"must be a file's name, got {shown(name)}"
                self.problems.append(Problem(self._trees[file].line(at), at, message, file))
        return found

    def _include(self, file: str) -> str | None:
        """Why not, where it can't be."""
        if file in self._trees:
            return f"{file} is read already; each file is included once, and never by itself"
        if len(self._trees) > INCLUDES_MAX:
            return f"more than {INCLUDES_MAX} files, which no config needs"
        try:
            text = self._machine.read(file)
        except ValueError as error:
            return f"{file}: {error}"
        try:
            tree = self._add(text, file)
        except Broken as broken:
            self._trees[file] = Tree(None)
            self.problems.append(Problem(broken.problem.line, (), broken.problem.message, file))
            return None
        if isinstance(tree.data, dict):
            self._take(file, tree.data)
            return None
        return f"{file} is empty" if tree.data is None else f"{file} must be keys and values"
