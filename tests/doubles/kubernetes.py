"""An API server of Kubernetes, as far as remedies speak to it, that enforces its rules over real HTTP.

Facts relied on (Kubernetes 1.31; API conventions, and the sources named):
- Authentication comes first (401), then RBAC (403, by verb, group, resource with its subresource, name; `list` has no
  name, so a rule with resourceNames doesn't allow it), then the object (404). Errors are `v1 Status` objects.
- A PATCH is a JSON patch, a merge patch, or a strategic merge patch by its Content-Type; another one is 415.
- An update that brings metadata.resourceVersion is held against the object's own: 409 `Conflict` where they differ,
  "the object has been modified" (registry/generic/registry/store.go). One that changes nothing keeps the version.
- `/scale` of apps/v1 is an autoscaling/v1 Scale under the workload's own resourceVersion; `spec.replicas` is left out
  at 0 (omitempty); a negative number is 422 `Invalid`.
- Any status update, such as a pod becoming ready, changes the resourceVersion too: conflicts are normal.
- A new pod template makes a new ReplicaSet with the next revision; a template that was there before takes its old
  ReplicaSet, which gets the next revision (deployment_util.go).
- Lists are paged by `limit` and `continue`.
"""

import copy
import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.doubles.http import Double, Request, Response
from tests.doubles.kubernetes_patches import HASH, Object, Status, patched, without_hash

REVISION = "deployment.kubernetes.io/revision"
_KINDS = {"deployments": "Deployment", "statefulsets": "StatefulSet", "replicasets": "ReplicaSet"}
_PATH = re.compile(
    r"/apis/(?P<group>apps|autoscaling)/(?P<version>v1|v2)/namespaces/(?P<namespace>[^/]+)/(?P<resource>[a-z]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<sub>scale))?"
)


@dataclass
class _Account:
    """Who a token is, and what it may: rules as a Role has them."""

    name: str
    rules: list[Object] = field(default_factory=list)

    def may(self, verb: str, group: str, resource: str, name: str) -> bool:
        return any(
            group in rule["apiGroups"]
            and resource in rule["resources"]
            and verb in rule["verbs"]
            and (not rule.get("resourceNames") or name in rule["resourceNames"])
            for rule in self.rules
        )


class ApiServer(Double):
    """meanwhile: what others do, one a PATCH, right before it is looked at. changes: who scaled or patched what."""

    def __init__(self, ready_after_s: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        """ready_after_s: how long a new pod takes until it counts in status.replicas."""
        super().__init__(self._answer)
        self.meanwhile: list[Callable[[], None] | None] = []
        self.changes: list[str] = []
        self._ready_after_s, self._now = ready_after_s, now
        self._accounts: dict[str, _Account] = {}
        self._objects: dict[tuple[str, str, str], Object] = {}  # resource, namespace, name
        self._pods: dict[
            tuple[str, str, str], tuple[int, float]
        ] = {}  # how many before the last change, and when it was
        self._version = 1000

    # What a test sets up -----------------------------------------------------------------------------------------

    def allow(self, token: str, rules: Sequence[Object]) -> None:
        """rules: of a Role."""
        self._accounts[token] = _Account(f"system:serviceaccount:shop:{token}", [dict(rule) for rule in rules])

    def add_workload(
        self, name: str, replicas: int = 3, namespace: str = "shop", resource: str = "deployments", image: str = "web:1"
    ) -> None:
        labels = {"app": name}
        made = {
            "apiVersion": "apps/v1",
            "kind": _KINDS[resource],
            "metadata": self._metadata(name, namespace) | {"generation": 1, "annotations": {}},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}},
            },
            "status": {},
        }
        key = (resource, namespace, name)
        self._objects[key], self._pods[key] = made, (replicas, -1e9)
        if resource == "deployments":
            self._roll_out(made)

    def add_hpa(
        self, name: str, workload: str, kind: str = "Deployment", namespace: str = "shop", keda: bool = False
    ) -> None:
        """keda: as KEDA makes it, owned by a ScaledObject."""
        metadata = self._metadata(name, namespace)
        if keda:
            metadata["labels"] = {"app.kubernetes.io/managed-by": "keda-operator"}
            owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": workload, "controller": True}
            metadata["ownerReferences"] = [{**owner, "uid": str(uuid.uuid4())}]
        ref = {"apiVersion": "apps/v1", "kind": kind, "name": workload}
        self._objects["horizontalpodautoscalers", namespace, name] = {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": metadata,
            "spec": {"scaleTargetRef": ref, "minReplicas": 1, "maxReplicas": 10},
        }

    def set_image(self, name: str, image: str, namespace: str = "shop") -> None:
        """Somebody rolls out another version."""
        found = self.workload(name, namespace)
        found["spec"]["template"]["spec"]["containers"][0]["image"] = image
        self._changed(found)
        self._roll_out(found)

    def scale(
        self, name: str, replicas: int, namespace: str = "shop", resource: str = "deployments", who: str = "ann"
    ) -> None:
        """Somebody else does."""
        found = self.workload(name, namespace, resource)
        self._set_replicas((resource, namespace, name), found, replicas, who)

    def touch(self, name: str, namespace: str = "shop", resource: str = "deployments") -> None:
        """Its status changes: another version, nothing else."""
        self.workload(name, namespace, resource)["metadata"]["resourceVersion"] = self._next_version()

    def workload(self, name: str, namespace: str = "shop", resource: str = "deployments") -> Object:
        return self._objects[resource, namespace, name]

    def replicas(self, name: str, namespace: str = "shop", resource: str = "deployments") -> int:
        """As wanted."""
        count: int = self.workload(name, namespace, resource)["spec"]["replicas"]
        return count

    def pods(self, name: str, namespace: str = "shop", resource: str = "deployments") -> int:
        """As there are: those that are wanted, once they have had time to start."""
        before, since_s = self._pods[resource, namespace, name]
        wanted = self.replicas(name, namespace, resource)
        return wanted if self._now() >= since_s + self._ready_after_s else min(before, wanted)

    @property
    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.method != "GET"]

    # What is answered --------------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Response:
        try:
            return self._found(request)
        except Status as status:
            return status.response

    def _found(self, request: Request) -> Response:
        account = self._who(request)
        url = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        at = _PATH.fullmatch(url.path)
        if at is None:
            raise Status(404, "NotFound", "the server could not find the requested resource")
        group, namespace, name, sub = at["group"], at["namespace"], at["name"] or "", at["sub"] or ""
        resource = f"{at['resource']}/{sub}" if sub else at["resource"]
        verb = {"GET": "get" if name else "list", "PATCH": "patch"}.get(request.method, request.method.lower())
        if not account.may(verb, group, resource, name):
            what = f'{at["resource"]}.{group} "{name}"' if name else f"{at['resource']}.{group}"
            raise Status(
                403, "Forbidden",
                f'{what} is forbidden: User "{account.name}" cannot {verb} resource "{resource}" in API group '
                f'"{group}" in the namespace "{namespace}"',
            )  # fmt: skip
        if not name:
            return self._list(at["resource"], namespace, query)
        key = (at["resource"], namespace, name)
        if key not in self._objects:
            raise Status(404, "NotFound", f'{at["resource"]}.{group} "{name}" not found')
        if request.method == "PATCH":
            return self._patch(request, key, sub, query)
        return Response.of(200, self._shown(key, sub))

    def _who(self, request: Request) -> _Account:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._accounts:
            raise Status(401, "Unauthorized", "Unauthorized")
        return self._accounts[token]

    def _list(self, resource: str, namespace: str, query: dict[str, str]) -> Response:
        wanted = dict(part.split("=", 1) for part in query.get("labelSelector", "").split(",") if part)
        found = [each for key, each in sorted(self._objects.items()) if key[:2] == (resource, namespace)]
        found = [each for each in found if wanted.items() <= each["metadata"].get("labels", {}).items()]
        start, limit = int(query.get("continue", "0")), int(query.get("limit", "500"))
        page, rest = found[start : start + limit], len(found) - start - limit
        metadata = {"resourceVersion": str(self._version)}
        if rest > 0:
            metadata |= {"continue": str(start + limit), "remainingItemCount": str(rest)}
        return Response.of(200, {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": page})

    def _shown(self, key: tuple[str, str, str], sub: str) -> Object:
        found = self._objects[key]
        resource, namespace, name = key
        if not sub:
            if key in self._pods:
                pods = self.pods(name, namespace, resource)
                found = found | {"status": {"replicas": pods, "readyReplicas": pods, "updatedReplicas": pods}}
            return found
        kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        wanted = found["spec"]["replicas"]
        selector = ",".join(f"{label}={value}" for label, value in found["spec"]["selector"]["matchLabels"].items())
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {each: found["metadata"][each] for each in kept},
            "spec": {"replicas": wanted} if wanted else {},
            "status": {"replicas": self.pods(name, namespace, resource), "selector": selector},
        }

    def _patch(self, request: Request, key: tuple[str, str, str], sub: str, query: dict[str, str]) -> Response:
        other = self.meanwhile.pop(0) if self.meanwhile else None
        if other is not None:
            other()
        before = self._shown(key, sub) if sub else self._objects[key]
        after = patched(request, before)
        version = before["metadata"]["resourceVersion"]
        if after["metadata"].get("resourceVersion", version) != version:
            raise Status(
                409, "Conflict",
                f'Operation cannot be fulfilled on {key[0]}.apps "{key[2]}": the object has been modified; please '
                "apply your changes to the latest version and try again",
            )  # fmt: skip
        wanted = after["spec"].get("replicas", 0)
        if not isinstance(wanted, int) or wanted < 0:
            raise Status(
                422, "Invalid", f'Scale.autoscaling "{key[2]}" is invalid: spec.replicas: Invalid value: {wanted}'
            )
        if query.get("dryRun") == "All":
            return Response.of(200, after)
        who = query.get("fieldManager", "unknown")
        if sub:
            self._set_replicas(key, self._objects[key], wanted, who)
        elif after != before:
            is_rolled = after["spec"]["template"] != before["spec"]["template"]
            self._objects[key] = after
            self.changes.append(f"{who} patched {key[2]}")
            self._changed(after)
            if is_rolled:
                self._roll_out(after)
        return Response.of(200, self._shown(key, sub))

    # How it keeps things -----------------------------------------------------------------------------------------

    def _set_replicas(self, key: tuple[str, str, str], found: Object, replicas: int, who: str) -> None:
        before = found["spec"]["replicas"]
        if replicas == before:
            return
        self._pods[key] = (self.pods(key[2], key[1], key[0]), self._now())
        found["spec"]["replicas"] = replicas
        self.changes.append(f"{who} scaled {key[2]} from {before} to {replicas}")
        self._changed(found)

    def _roll_out(self, found: Object) -> None:
        if found["kind"] != "Deployment":
            return
        namespace, name = found["metadata"]["namespace"], found["metadata"]["name"]
        own = [
            each
            for key, each in self._objects.items()
            if key[:2] == ("replicasets", namespace)
            and each["metadata"]["ownerReferences"][0]["uid"] == found["metadata"]["uid"]
        ]
        revision = str(max((int(each["metadata"]["annotations"][REVISION]) for each in own), default=0) + 1)
        wanted = found["spec"]["template"]
        same = next((each for each in own if without_hash(each["spec"]["template"]) == wanted), None)
        if same is None:
            number = f"{len(own) + 1:x}c7d"
            template = copy.deepcopy(wanted)
            template["metadata"]["labels"][HASH] = number
            owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": found["metadata"]["uid"]}
            same = {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": self._metadata(f"{name}-{number}", namespace)
                | {
                    "labels": dict(template["metadata"]["labels"]),
                    "annotations": {},
                    "ownerReferences": [{**owner, "controller": True}],
                },
                "spec": {"template": template},
            }
            self._objects["replicasets", namespace, f"{name}-{number}"] = same
        same["metadata"]["annotations"][REVISION] = revision
        found["metadata"]["annotations"][REVISION] = revision

    def _metadata(self, name: str, namespace: str) -> Object:
        return {
            "name": name,
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "resourceVersion": self._next_version(),
            "creationTimestamp": "2026-11-24T04:00:00Z",
        }

    def _changed(self, found: Object) -> None:
        found["metadata"]["generation"] = found["metadata"].get("generation", 0) + 1
        found["metadata"]["resourceVersion"] = self._next_version()

    def _next_version(self) -> str:
        self._version += 7
        return str(self._version)
