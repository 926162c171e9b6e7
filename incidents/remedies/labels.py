"""Labels in what a remedy does: hostile text, so each is one whole value, and only where it is allowed.

A setting `{host}` stands for the value of the alert's label `host`, as `naming.filled` lets it in: letters, digits and
`._:@-`. `labels: {host: "web-[0-9]+"}` says instead which values it may have. There is no other way for a label into an
act, and none for a part of one.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field

from incidents.remedies.naming import CHARS_MAX, Unusable, filled
from schemas.calls import Refused
from schemas.config.errors import shown
from schemas.config.section import Section
from schemas.selector import Regex, compile_regex

_WHOLE = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}")


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
        description="Label -> regular expression (RE2, of the whole value) of what `{label}` may stand for. Without "
        "one: letters, digits and `._:@-`, a letter or digit first.",
    )

    def check_labels(self, texts: Iterable[str]) -> None:
        """Raises ValueError where a pattern is for a label that none of the texts stands for."""
        used = {found[1] for text in texts if (found := _WHOLE.fullmatch(text))}
        for name in self.labels:
            if name not in used:
                raise ValueError(f"labels: nothing here stands for {shown(name)}; write {{{name}}} as a whole value")

    def value(self, text: str, labels: Mapping[str, str]) -> str:
        """The setting, or the label's value that it stands for. Raises Refused."""
        found = _WHOLE.fullmatch(text)
        if found is None:
            return text
        if found[1] in self.labels:
            return allowed(found[1], labels.get(found[1], ""), self.labels[found[1]])
        try:
            return filled(text, labels)
        except Unusable as error:
            raise Refused(str(error)) from None


def is_label(text: str) -> bool:
    """
    >>> is_label("{host}"), is_label("host-{host}"), is_label("{}")
    (True, False, False)
    """
    return _WHOLE.fullmatch(text) is not None


def allowed(name: str, value: str, pattern: str) -> str:
    """The value, which has passed. Raises Refused.

    >>> allowed("host", "web-1", "web-.*")
    'web-1'

    Beside the pattern, whatever it says: not empty, not an option, and on one line of characters that can be seen.
    """
    if not value:
        raise Refused(f"the alert has no label {name}")
    if (
        value.startswith("-")
        or len(value) > CHARS_MAX
        or not value.isprintable()
        or not _regex(pattern)(value.encode())
    ):
        raise Refused(f"label {name} is {shown(value)}, which `labels` does not allow")
    return value


@lru_cache(maxsize=256)
def _regex(pattern: str) -> Regex:
    return compile_regex(pattern)
