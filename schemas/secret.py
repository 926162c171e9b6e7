"""A secret of the config: a reference to it, or the text itself where an existing file has it in place. Never printed.

Reading what a reference leads to is the shell's (`pipeline/desk/secrets.py`): files may be rotated while we run.
"""

from dataclasses import dataclass, field
from typing import Literal

SHOWN = "<secret>"


@dataclass(frozen=True)
class Secret:
    """Where a secret is: `env` names a variable, `file` a path, `text` is the secret itself.

    >>> Secret("text", "hunter2"), str(Secret("env", "SLACK_TOKEN")), f"{Secret('file', 'run/token')}"
    (<secret>, '<secret>', '<secret>')
    """

    kind: Literal["env", "file", "text"]
    source: str = field(repr=False)

    def __repr__(self) -> str:
        return SHOWN

    __str__ = __repr__

    @classmethod
    def written(cls, text: str) -> "Secret":
        """As a value in the config: `${env:NAME}`, `file:PATH`, or the secret itself.

        >>> [Secret.written(t).kind for t in ("${env:SLACK_URL}", "file:secrets/slack", "https://hooks.example/x")]
        ['env', 'file', 'text']
        """
        if text.startswith("${env:") and text.endswith("}"):
            return cls("env", text[6:-1])
        if text.startswith("file:"):
            return cls("file", text[5:])
        return cls("text", text)
