"""What the config must know of a kind of receiver. The kinds themselves are `alerting.notifiers.KINDS`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel


@dataclass(frozen=True)
class NotifierSpec:
    """settings: model of one entry of `<kind>_configs`. globals: setting -> key of `global` it falls back to.

    send_resolved: where the entry doesn't say.
    """

    settings: type[BaseModel]
    globals: Mapping[str, str] = field(default_factory=dict)
    send_resolved: bool = True


Notifiers = Mapping[str, NotifierSpec]
