"""Labels in what a remedy does: hostile text, so each is one whole value, and only where its pattern allows it.

A setting `${label:host}` stands for the value of the alert's label `host`; `labels: {host: "web-[0-9]+"}` says which
values it may have. There is no other way for a label into an act, and none for a part of one.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field

from schemas.calls import Refused
from schemas.config.errors import shown
from schemas.config.section import Section
from schemas.selector import Regex, compile_regex

CHARS_MAX = 253  # of a value: the longest name that DNS and Kubernetes know
_WHOLE = re.compile(r"\$\{label:([a-zA-Z_][a-zA-Z0-9_]*)\}")


def _patterns(patterns: dict[str, str]) -> dict[str, str]:
    for name, pattern in patterns.items():
        try:
            compile_regex(pattern)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return patterns


class LabelSettings(Section):
    """Settings in which labels may stand."""

    labels: Annotated[dict[str, str], AfterValidator(_patterns)] = Field(
        default_factory=dict,
        max_length=20,
        description="Label -> regular expression (RE2, of the whole value): what `${label:NAME}` may stand for.",
    )

    def label_names(self, texts: Iterable[str]) -> list[str]:
        """Those that the texts need. Raises ValueError where one isn't allowed for, or isn't a whole value."""
        names = []
        for text in texts:
            found = _WHOLE.fullmatch(text)
            if found is None and "${" in text:
                raise ValueError(
                    f"{shown(text)}: a label stands alone, such as ${{label:host}}; nothing is put together"
                )
            if found is not None:
                names.append(found[1])
        for name in names:
            if name not in self.labels:
                raise ValueError(
                    f'${{label:{name}}} needs a pattern; write for example labels: {{{name}: "web-[0-9]+"}}'
                )
        return names

    def value(self, text: str, labels: Mapping[str, str]) -> str:
        """The setting, or the label's value that it stands for. Raises Refused."""
        found = _WHOLE.fullmatch(text)
        return text if found is None else allowed(found[1], labels.get(found[1], ""), self.labels[found[1]])


def allowed(name: str, value: str, pattern: str) -> str:
    """The value, which has passed. Raises Refused.

    >>> allowed("host", "web-1", "web-.*")
    'web-1'

    Beside the pattern, whatever it says: not empty, not an option, and on one line of characters that can be seen.
    """
    if not value:
        raise Refused(f"the alert has no label {name}, which says what to act on")
    if value.startswith("-") or len(value) > CHARS_MAX or not value.isprintable() or not _regex(pattern)(_utf8(value)):
        raise Refused(f"label {name} is {shown(value)}, which `labels` does not allow")
    return value


def _utf8(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


@lru_cache(maxsize=256)
def _regex(pattern: str) -> Regex:
    return compile_regex(pattern)
