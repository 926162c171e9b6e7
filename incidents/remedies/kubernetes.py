"""How remedies speak to the API of Kubernetes: reads page by page, changes only against the version that was read.

What its answers mean is from its API conventions: errors are `Status` objects with a reason; an update that names
`metadata.resourceVersion` is refused with 409 where the object has changed since.
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, model_validator

from incidents.remedies.base import Context, Intent
from incidents.remedies.labels import LabelSettings, is_label
from incidents.remedies.wire import json_body, json_object, said
from schemas.calls import HttpCall, Refused, Reply, Retry
from schemas.config.errors import shown
from schemas.config.http_config import Authorization, HttpConfig, TlsConfig
from schemas.config.values import Duration, SecretText, WebAddress
from schemas.selector import compile_regex

IN_CLUSTER = "https://kubernetes.default.svc"
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"  # where every pod finds who it is
MANAGER = "tidegauge"
TRIES_MAX = 5  # of a change that others come before
_PAGE = 10  # objects asked for at once: an answer is read up to 64 KiB
_PAGES_MAX = 200
_name = compile_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")  # RFC 1123
_NAME_CHARS_MAX = 253
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
Object = dict[str, Any]
Talk = Generator[HttpCall, Reply, Object]


class KubernetesSettings(LabelSettings):
    """Where the API is, who asks it, and which workload it is about."""

    api: WebAddress = Field(default=IN_CLUSTER, description="Address of the API server.")
    token: SecretText | None = Field(default=None, description="Token of a service account.")
    token_file: str | None = Field(
        default=None, min_length=1, description="File with it. In the cluster: the pod's own, read anew each time."
    )
    ca_file: str | None = Field(
        default=None, min_length=1, description="Certificates of authorities to trust. In the cluster: the pod's own."
    )
    namespace: str = Field(min_length=1, description="Namespace, or `{label}`.")
    deployment: str | None = Field(default=None, min_length=1, description="Deployment, or `{label}`.")
    stateful_set: str | None = Field(default=None, min_length=1, description="StatefulSet, or `{label}`.")
    timeout_s: Duration = Field(
        default=10.0, gt=0, le=120, validation_alias="timeout", description="How long a call may take."
    )

    @model_validator(mode="after")
    def _one_workload(self) -> "KubernetesSettings":
        given = [each for each in (self.deployment, self.stateful_set) if each is not None]
        if len(given) != 1:
            raise ValueError("needs either deployment or stateful_set")
        if self.token is not None and self.token_file is not None:
            raise ValueError("has both token and token_file; keep one")
        self.check_labels([self.namespace, *given])
        for text in (self.namespace, *given):
            if not is_label(text) and not is_name(text):
                raise ValueError(f"not a name in Kubernetes: {shown(text)}; write small letters, digits and -")
        address = urlsplit(self.api)
        if address.scheme == "http" and self._has_token and address.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError("api: a token would go there in clear; write https://")
        return self

    @property
    def _has_token(self) -> bool:
        return self.token is not None or self.token_file is not None

    @property
    def http_config(self) -> HttpConfig:
        """What the shell connects with. Redirects aren't followed."""
        inside = self.api == IN_CLUSTER
        file = self.token_file if self._has_token or not inside else f"{_ACCOUNT}/token"
        ca_file = self.ca_file or (f"{_ACCOUNT}/ca.crt" if inside else None)
        return HttpConfig(
            authorization=Authorization(credentials=self.token, credentials_file=file) if self.token or file else None,
            tls_config=TlsConfig(ca_file=ca_file) if ca_file else None,
        )


@dataclass(frozen=True)
class Workload:
    """A deployment or stateful set."""

    settings: KubernetesSettings
    kind: Literal["Deployment", "StatefulSet"]
    namespace: str
    name: str

    @classmethod
    def of(cls, settings: KubernetesSettings, labels: Mapping[str, str]) -> "Workload":
        """Raises Refused where a label names none."""
        written = settings.deployment or settings.stateful_set or ""
        namespace, name = settings.value(settings.namespace, labels), settings.value(written, labels)
        for each in (namespace, name):
            if not is_name(each):
                raise Refused(f"not a name in Kubernetes: {shown(each)}")
        return cls(settings, "Deployment" if settings.deployment else "StatefulSet", namespace, name)

    def __str__(self) -> str:
        return f"{self.kind.lower()} {self.namespace}/{self.name}"

    @property
    def resource(self) -> str:
        return f"{self.kind.lower()}s"

    def path(self, subresource: str = "") -> str:
        return f"/apis/apps/v1/namespaces/{quote(self.namespace)}/{self.resource}/{quote(self.name)}{subresource}"

    def get(self, subresource: str = "") -> Talk:
        """Raises Refused: what can't be read is left alone."""
        return read(self.settings, self.path(subresource), f"{self}{subresource}", f"get {self.resource}{subresource}")

    def patch(self, subresource: str, change: object, kind: str) -> Generator[HttpCall, Reply, Object | None]:
        """None: it has changed since it was read. Raises Refused where it was refused, Retry where nobody knows."""
        url = f"{self.settings.api.rstrip('/')}{self.path(subresource)}?fieldManager={MANAGER}"
        headers = {"Content-Type": kind, "Accept": "application/json"}
        reply = yield HttpCall("PATCH", url, headers, json_body(change), self.settings.timeout_s)
        if reply.status == 409:
            return None
        found = json_object(reply.body) if reply.status == 200 else None
        if reply.status == 200:
            return found or {}  # larger than what is read of it; it was taken all the same
        told = explained(reply, f"{self}{subresource}", f"patch {self.resource}{subresource}")
        raise Retry(told) if reply.status >= 500 or reply.status == 408 else Refused(told)


def read(settings: KubernetesSettings, path: str, what: str, right: str) -> Talk:
    """An object. Raises Refused."""
    url = f"{settings.api.rstrip('/')}{path}"
    try:
        reply = yield HttpCall("GET", url, {"Accept": "application/json"}, timeout_s=settings.timeout_s)
    except Retry as failure:
        raise Refused(f"{what} can't be read: {failure.reason}") from None
    if reply.status != 200:
        raise Refused(explained(reply, what, right))
    found = json_object(reply.body)
    if found is None:
        raise Refused(f"{what} can't be read: its answer is no JSON, or larger than 64 KiB")
    return found


def listed(
    settings: KubernetesSettings, path: str, what: str, right: str, query: str = ""
) -> Generator[HttpCall, Reply, list[Object]]:
    """All objects of a list, in pages; smaller ones where a page is larger than what is read. Raises Refused."""
    items: list[Object] = []
    limit, token = _PAGE, ""
    for _ in range(_PAGES_MAX):
        asked = f"{path}?limit={limit}{query}" + (f"&continue={quote(token, safe='')}" if token else "")
        try:
            page = yield from read(settings, asked, what, right)
        except Refused as failure:
            if limit == 1 or "64 KiB" not in failure.reason:
                raise
            limit = 1
            continue
        items += page.get("items") or []
        token = str((page.get("metadata") or {}).get("continue") or "")
        if not token:
            return items
    raise Refused(f"{what}: more than {_PAGES_MAX} pages of them; nobody knows what the rest would say")


def explained(reply: Reply, what: str, right: str) -> str:
    """`deployment shop/web: 403 Forbidden: ...; give the service account: get deployments/scale`."""
    status = json_object(reply.body) or {}
    words = said(str(status.get("message") or "")) or said(reply.body)
    reason = said(str(status.get("reason") or ""), chars_max=60)
    text = f"{what}: {' '.join(filter(None, (str(reply.status), reason)))}{f': {words}' if words else ''}"
    if reply.status == 401:
        return f"{text}; see token in the config"
    if reply.status == 403:
        return f"{text}; its service account needs the right to {right}"
    return f"{text}; see namespace and name in the config" if reply.status == 404 else text


def is_name(text: str) -> bool:
    """
    >>> is_name("web-1"), is_name("../secrets"), is_name("Web")
    (True, False, False)
    """
    return 0 < len(text) <= _NAME_CHARS_MAX and _name(text.encode("utf-8", "surrogatepass")) is not None


def version_of(found: Object) -> str:
    """`metadata.resourceVersion`. Raises Refused: without it a change can't be held against what was read."""
    version = (found.get("metadata") or {}).get("resourceVersion")
    if not isinstance(version, str) or not version:
        raise Refused("the API server names no resourceVersion; nothing is changed without it")
    return version


def owners(found: Object) -> Iterator[str]:
    """`ScaledObject/web` of each owner."""
    for owner in (found.get("metadata") or {}).get("ownerReferences") or ():
        yield f"{owner.get('kind')}/{owner.get('name')}"


def note(intent: Intent) -> dict[str, str]:
    """Annotation by which an act is found again."""
    return {"tidegauge/remedy": intent.id}


def noted(found: Object) -> str | None:
    """The act that was the last to leave its annotation on the object, or on its pods' template."""
    annotations = (found.get("metadata") or {}).get("annotations") or {}
    id_ = annotations.get("tidegauge/remedy")
    return id_ if isinstance(id_, str) else None


__all__ = [  # what a kind needs
    "JSON_PATCH", "MERGE", "TRIES_MAX", "Context", "KubernetesSettings", "Object", "Workload", "listed", "note",
    "noted", "owners", "version_of",
]  # fmt: skip
