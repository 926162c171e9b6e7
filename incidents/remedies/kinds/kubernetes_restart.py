"""`kubectl rollout restart`: new pods one by one, by an annotation on their template."""

from collections.abc import Mapping

from incidents.remedies.base import Context, Conversation, Done, Intent, Remedy
from incidents.remedies.kubernetes import (
    MERGE,
    TRIES_MAX,
    KubernetesSettings,
    Object,
    Workload,
    note,
    noted,
    version_of,
)
from schemas.alert import rfc3339
from schemas.calls import Refused, Retry

_RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


class KubernetesRestartSettings(KubernetesSettings):
    """A deployment or stateful set whose pods are replaced, as its own strategy says."""


class KubernetesRestart(Remedy):
    """The template keeps the act's id: after a crash it tells, and the same act twice is one restart."""

    kind = "kubernetes_restart"
    Settings = KubernetesRestartSettings

    settings: KubernetesRestartSettings

    def target(self, labels: Mapping[str, str]) -> str:
        return str(Workload.of(self.settings, labels))

    def act(self, intent: Intent, context: Context) -> Conversation:
        workload = Workload.of(self.settings, intent.labels)
        for _ in range(TRIES_MAX):
            found = yield from workload.get()
            if (found.get("spec") or {}).get("paused"):
                raise Refused(f"{workload} is paused: its pods would not be replaced before somebody resumes it")
            if noted(_template(found)) == intent.id:
                return Done(f"{workload} is restarting already")
            if intent.is_dry_run:
                return Done(f"would restart {workload}")
            annotations = {_RESTARTED_AT: rfc3339(intent.now_s), **note(intent)}
            change = {
                "metadata": {"resourceVersion": version_of(found)},
                "spec": {"template": {"metadata": {"annotations": annotations}}},
            }
            try:
                taken = yield from workload.patch("", change, MERGE)
            except Retry as lost:
                try:
                    return (yield from self._verify(intent))
                except Refused as failure:
                    raise Retry(f"{lost.reason}; {failure.reason}") from None
            if taken is not None:
                return Done(f"restarted {workload}")
        raise Refused(f"{workload}: others changed it {TRIES_MAX} times in between; nothing was changed")

    def verify(self, intent: Intent, context: Context) -> Conversation | None:
        return self._verify(intent)

    def _verify(self, intent: Intent) -> Conversation:
        workload = Workload.of(self.settings, intent.labels)
        if noted(_template((yield from workload.get()))) != intent.id:
            raise Refused(f"{workload} was not restarted by this act")
        return Done(f"{workload} was restarted")


def _template(found: Object) -> Object:
    template: Object = (found.get("spec") or {}).get("template") or {}
    return template
