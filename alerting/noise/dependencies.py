"""What can't work because something below it is down: alerts along a graph of services, held back with the chain named.

A service is down while a critical alert with its name in the service label fires. Lesser alerts don't count: a warning
about a database must not hide that the shop is broken.
"""

from collections.abc import Iterable, Mapping, Sequence

from alerting.alert import Alert, Muted
from schemas.desk import Dependency


class Outages:
    """The services that are down, and who depends on them."""

    def __init__(self, dependencies: Sequence[Dependency], service_label: str, firing: Iterable[Alert]) -> None:
        self._label = service_label
        self._below: dict[str, list[str]] = {}
        for dependency in dependencies:
            self._below.setdefault(dependency.service, []).extend(dependency.depends_on)
        self._down: dict[str, Alert] = {}
        for alert in firing if dependencies else ():
            service = alert.labels.get(service_label)
            if service and alert.level == "critical":
                known = self._down.setdefault(service, alert)
                if (alert.starts_at_s, alert.fingerprint) < (known.starts_at_s, known.fingerprint):
                    self._down[service] = alert
        self._chains: dict[str, dict[str, list[str]]] = {}
        self._causes: dict[str, list[str] | None] = {}

    def why(self, labels: Mapping[str, str]) -> Muted | None:
        """labels: of the alert that might be held back."""
        service = labels.get(self._label)
        chain = self.cause(service) if service and self._down else None
        if chain is None:
            return None
        alert = self._down[chain[-1]]
        path = " -> ".join(chain)
        text = f"{path}: {alert.labels.get('alertname', alert.fingerprint)} (critical) fires on {chain[-1]}"
        return Muted("dependency", chain[-1], text)

    def cause(self, service: str) -> list[str] | None:
        """The shortest chain from the service to one below it that is down and has nothing down below itself.

        Services that depend on each other in a circle don't hide each other: nobody would hear of any.
        """
        if service not in self._causes:
            found = self._down_below(service)
            roots = [chain for chain in found if not self._down_below(chain[-1])]
            self._causes[service] = min(roots, key=lambda chain: (len(chain), chain), default=None)
        return self._causes[service]

    def _down_below(self, service: str) -> list[list[str]]:
        chains = self._reachable(service)
        return [
            chain
            for below, chain in chains.items()
            if below in self._down and below != service and service not in self._reachable(below)
        ]

    def _reachable(self, service: str) -> dict[str, list[str]]:
        """Every service below, with the shortest chain to it; itself too where it stands in a circle."""
        if service not in self._chains:
            chains: dict[str, list[str]] = {}
            edge = [[service]]
            while edge:
                wider = []
                for chain in edge:
                    for below in sorted(self._below.get(chain[-1], ())):
                        if below not in chains:
                            chains[below] = [*chain, below]
                            wider.append(chains[below])
                edge = wider
            self._chains[service] = chains
        return self._chains[service]
