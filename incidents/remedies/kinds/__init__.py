"""Every kind of remedy there is: one file each, and a line here."""

from incidents.remedies.base import Remedy
from incidents.remedies.kinds.command import Command
from incidents.remedies.kinds.kafka import Kafka
from incidents.remedies.kinds.kubernetes_restart import KubernetesRestart
from incidents.remedies.kinds.kubernetes_rollback import KubernetesRollback
from incidents.remedies.kinds.kubernetes_scale import KubernetesScale
from incidents.remedies.kinds.switch import Switch
from incidents.remedies.kinds.systemd import Systemd
from incidents.remedies.kinds.webhook import Webhook

KINDS: dict[str, type[Remedy]] = {
    kind.kind: kind
    for kind in (Command, Kafka, KubernetesRestart, KubernetesRollback, KubernetesScale, Switch, Systemd, Webhook)
}
