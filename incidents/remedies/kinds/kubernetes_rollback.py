"""`kubectl rollout undo`: a deployment's pods as they were before, from the ReplicaSet that is kept of them."""

from collections.abc import Generator, Mapping
from copy import deepcopy
from typing import Any
from urllib.parse import quote

from pydantic import model_validator

from incidents.remedies.base import Context, Conversation, Done, Intent, Remedy
from incidents.remedies.kubernetes import (
    JSON_PATCH,
    TRIES_MAX,
    KubernetesSettings,
    Object,
    Workload,
    listed,
    note,
    noted,
    version_of,
)
from schemas.calls import HttpCall, Refused, Reply, Retry

_REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
# Of the deployment's annotations, those that aren't part of a revision (kubectl's own list).
_KEPT = (
    "kubectl.kubernetes.io/last-applied-configuration",
    _REVISION,
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
)


class KubernetesRollbackSettings(KubernetesSettings):
    """A deployment that goes back to its revision before."""

    @model_validator(mode="after")
    def _is_a_deployment(self) -> "KubernetesRollbackSettings":
        if self.deployment is None:
            raise ValueError("needs a deployment: of other workloads no earlier template is kept as a ReplicaSet")
        return self


class KubernetesRollback(Remedy):
    """The act's id stays among the deployment's annotations, until the next revision: so a crash can be looked into."""

    kind = "kubernetes_rollback"
    Settings = KubernetesRollbackSettings

    settings: KubernetesRollbackSettings

    def target(self, labels: Mapping[str, str]) -> str:
        return str(Workload.of(self.settings, labels))

    def act(self, intent: Intent, context: Context) -> Conversation:
        workload = Workload.of(self.settings, intent.labels)
        was = intent.plan.get("was")
        for _ in range(TRIES_MAX):
            found = yield from workload.get()
            if noted(found) == intent.id:
                return Done(f"{workload} is rolled back already")
            if (found.get("spec") or {}).get("paused"):
                raise Refused(f"{workload} is paused: its pods would not be replaced before somebody resumes it")
            now = _revision(found)
            if was is not None and now != was:
                raise Refused(f"somebody rolled out revision {now} of {workload} meanwhile: left to them")
            was = now
            earlier = yield from self._before(workload, found)
            text = f"{workload} from revision {now} to {_revision(earlier)}"
            before, after = {"revision": now}, {"revision": _revision(earlier)}
            if intent.is_dry_run:
                return Done(f"would roll back {text}", before, after | {"was": now})
            try:
                taken = yield from workload.patch("", _patch(found, earlier, intent), JSON_PATCH)
            except Retry as lost:
                try:
                    return (yield from self._verify(intent))
                except Refused as failure:
                    raise Retry(f"{lost.reason}; {failure.reason}") from None
            if taken is not None:
                return Done(f"rolled back {text}", before, after)
        raise Refused(f"{workload}: others changed it {TRIES_MAX} times in between; nothing was changed")

    def verify(self, intent: Intent, context: Context) -> Conversation | None:
        return self._verify(intent)

    def _verify(self, intent: Intent) -> Conversation:
        workload = Workload.of(self.settings, intent.labels)
        if noted((yield from workload.get())) != intent.id:
            raise Refused(f"{workload} was not rolled back by this act")
        return Done(f"{workload} was rolled back")

    def _before(self, workload: Workload, found: Object) -> Generator[HttpCall, Reply, Object]:
        """Its newest ReplicaSet whose template isn't the one that runs. Raises Refused."""
        labels = ((found.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        query = f"&labelSelector={quote(','.join(f'{name}={value}' for name, value in labels.items()), safe='')}"
        path = f"/apis/apps/v1/namespaces/{workload.namespace}/replicasets"
        sets = yield from listed(workload.settings, path, f"the ReplicaSets of {workload}", "list replicasets", query)
        uid = (found.get("metadata") or {}).get("uid")
        own = [each for each in sets if uid is not None and _controller(each) == uid]
        runs = _plain(found["spec"]["template"])
        others = [
            each for each in own if _revision(each) < _revision(found) and _plain(each["spec"]["template"]) != runs
        ]
        if not others:
            raise Refused(f"{workload} has no earlier revision to go back to (revisionHistoryLimit keeps them)")
        return max(others, key=_revision)


def _patch(found: Object, earlier: Object, intent: Intent) -> list[dict[str, Any]]:
    """As kubectl makes it, and only of what was read."""
    now, then = ((each.get("metadata") or {}).get("annotations") or {} for each in (found, earlier))
    annotations = {name: value for name, value in now.items() if name in _KEPT}
    annotations |= {name: value for name, value in then.items() if name not in _KEPT}
    return [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version_of(found)},
        {"op": "replace", "path": "/spec/template", "value": _plain(earlier["spec"]["template"])},
        {"op": "replace", "path": "/metadata/annotations", "value": {**annotations, **note(intent)}},
    ]


def _plain(template: Object) -> Object:
    """Without the hash by which its ReplicaSet knows its pods."""
    plain = deepcopy(template)
    labels = (plain.get("metadata") or {}).get("labels")
    if isinstance(labels, dict):
        labels.pop(_HASH, None)
    return plain


def _controller(found: Object) -> object:
    """uid of the owner that controls it."""
    owners = (found.get("metadata") or {}).get("ownerReferences") or ()
    return next((each.get("uid") for each in owners if each.get("controller")), None)


def _revision(found: Object) -> int:
    text = str(((found.get("metadata") or {}).get("annotations") or {}).get(_REVISION, "0"))
    return int(text) if text.isdigit() else 0
