"""Names made of labels: `{namespace}/{service}`. Labels are hostile text, so only plain values are let in."""

import re
from collections.abc import Mapping

CHARS_MAX = 253  # of one value: Kubernetes' own limit, and a host name's
_FIELD = re.compile(r"\{([^{}]*)\}")
# Begins with a letter or digit, so that no program takes it for an option and no path goes up; no slash, no space,
# no quote, so that it stays one name wherever it is put.
_PLAIN = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:@-]{{0,{CHARS_MAX - 1}}}")


class Unusable(ValueError):
    """A label is missing, or isn't plain."""


def filled(template: str, labels: Mapping[str, str]) -> str:
    """The template with each `{label}` replaced by its value. Raises Unusable, which says which label and why.

    >>> filled("{namespace}/{service}", {"namespace": "shop", "service": "web-1"})
    'shop/web-1'
    >>> filled("{service}", {"service": "--all"})
    Traceback (most recent call last):
    incidents.remedies.naming.Unusable: label service is '--all': only letters, digits and ._:@- may be in it, ...
    """

    def value(found: "re.Match[str]") -> str:
        name = found[1]
        text = labels.get(name, "")
        if not text:
            raise Unusable(f"the alert has no label {name}")
        if not _PLAIN.fullmatch(text):
            raise Unusable(
                f"label {name} is {text[:60]!r}: only letters, digits and ._:@- may be in it, a letter or digit first, "
                f"at most {CHARS_MAX} characters"
            )
        return text

    return _FIELD.sub(value, template)


def fields(template: str) -> tuple[str, ...]:
    """Labels that it needs. Raises ValueError where it is no template.

    >>> fields("deployment/{namespace}/{service}")
    ('namespace', 'service')
    """
    names = tuple(_FIELD.findall(template))
    rest = _FIELD.sub("", template)
    if "{" in rest or "}" in rest:
        raise ValueError(f"a brace without its other half in {template!r}; write {{label}}")
    if not all(names):
        raise ValueError(f"{{}} names no label in {template!r}; write {{label}}")
    return names
