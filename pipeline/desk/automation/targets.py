"""What each kind of remedy acts on; and incidents' remedies for alerts that the desk knows."""

from collections.abc import Mapping

from incidents.remedies.base import Remedy
from incidents.remedies.kinds import KINDS
from schemas.calls import Refused
from schemas.response.automation import RemedyRule

Kinds = Mapping[str, type[Remedy]]


def remedy_of(rule: RemedyRule, kinds: Kinds = KINDS) -> Remedy:
    return kinds[rule.kind](rule.settings)


def target_of(rule: RemedyRule, labels: Mapping[str, str]) -> str:
    """Raises Refused, also where a kind fails at these labels: they are hostile."""
    try:
        return remedy_of(rule).target(labels)
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"its target can't be named: {error}") from None
