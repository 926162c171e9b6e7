"""Receivers: each entry of `<kind>_configs` against its kind's settings, `global` filled in where it says nothing."""

import json
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError, create_model

from schemas.config.checking import Checking
from schemas.config.desk.alertmanager import FileReceiver
from schemas.config.desk.spec import Notifiers, NotifierSpec
from schemas.config.errors import Path, shown, suggestion
from schemas.config.words import file_key
from schemas.desk import Integration, Receiver
from schemas.secret import Secret

SUFFIX, FILE = "_configs", "_file"
HTTP_CONFIG = "http_config"
# Alertmanager's kinds that we don't speak ourselves.
APPRISE_HAS = (
    "discord", "incidentio", "jira", "mattermost", "pushover", "rocketchat", "sns", "telegram", "victorops", "webex",
    "wechat",
)  # fmt: skip
# A Teams connector of the old kind takes the same card; Microsoft ended most of them.
SAME_AS = {"msteams": "msteamsv2"}


LITERAL = "a secret in the file itself; write ${env:NAME}, file:PATH, or the key that ends in _file"


def is_in_place(secret: Secret) -> bool:
    """Whether who reads the file can use it: not where it is a reference, or an address that alone lets nobody in.

    >>> [is_in_place(Secret.written(text)) for text in ("hunter2", "${env:KEY}", "https://h.example/T0/B0/xyz")]
    [True, False, True]
    >>> [is_in_place(Secret.written(text)) for text in ("http://alertmanager-0:9093", "http://127.0.0.1:5001/hook")]
    [False, False]
    """
    if secret.kind != "text":
        return False
    try:
        address = urlsplit(secret.source)
    except ValueError:
        return True
    is_plain = not address.username and not address.path.strip("/") and not address.query
    is_web = address.scheme in ("http", "https") and bool(address.hostname)
    return not (is_web and (is_plain or address.hostname in ("127.0.0.1", "localhost", "::1")))


def settings_of(spec: NotifierSpec) -> type[BaseModel]:
    """What may stand in an entry: the kind's own settings and `send_resolved`, which every kind has."""
    if "send_resolved" in spec.settings.model_fields:
        return spec.settings
    told = Field(default=spec.send_resolved, description="Whether ends are told too.")
    return create_model(
        spec.settings.__name__, __base__=spec.settings, __doc__=spec.settings.__doc__, send_resolved=(bool, told)
    )


class Receivers:
    """Resolves them. Mistakes go to `checking`."""

    def __init__(self, notifiers: Notifiers, shared: Mapping[str, object], checking: Checking) -> None:
        """shared: the file's `global`, as it is written."""
        self._notifiers = notifiers
        self._settings = {kind: settings_of(spec) for kind, spec in notifiers.items()}
        self._shared = shared
        self._checking = checking

    def receiver(self, written: FileReceiver, at: Path) -> Receiver:
        integrations: list[Integration] = []
        for key, entries in (written.model_extra or {}).items():
            kind = self._kind(key, (*at, key))
            if kind is None:
                continue
            if not isinstance(entries, list):
                self._checking.report((*at, key), f"must be a list, got {shown(entries)}")
                continue
            for index, entry in enumerate(entries):
                settings = self._entry(kind, entry, (*at, key, index))
                if settings is not None:
                    told = getattr(settings, "send_resolved", None)
                    is_told = told if isinstance(told, bool) else self._notifiers[kind].send_resolved
                    most = written.messages_per_minute
                    integrations.append(Integration(written.name, kind, index, settings, is_told, most))
        return Receiver(written.name, tuple(integrations), written.fallback)

    def _kind(self, key: str, at: Path) -> str | None:
        kind = key.removesuffix(SUFFIX)
        known = ["name", "fallback", "messages_per_minute", *(f"{name}{SUFFIX}" for name in sorted(self._notifiers))]
        if key.endswith(SUFFIX) and kind in self._notifiers:
            return kind
        same = SAME_AS.get(kind, "") if key.endswith(SUFFIX) else ""
        if same in self._notifiers:
            self._checking.warn(at, f"read as {same}{SUFFIX}: Microsoft ended most connectors of the old kind")
            return same
        if key.endswith(SUFFIX) and kind in APPRISE_HAS:
            message = f"{kind} is not spoken here; use apprise_configs, which reaches it and a hundred others"
        else:
            message = f"unknown key; {suggestion(key, known)}"
        self._checking.report(at, message)
        return None

    def _entry(self, kind: str, entry: object, at: Path) -> BaseModel | None:
        if not isinstance(entry, dict):
            self._checking.report(at, f"must be keys and values, got {shown(entry)}")
            return None
        model = self._settings[kind]
        self._check_pairs(model, entry, at)
        shared = self._fallbacks(kind, model, entry)
        if self._checking.broken(at):
            return None
        try:
            data = json.dumps({**entry, **{name: self._shared[key] for name, key in shared.items()}})
            settings = model.model_validate_json(data, strict=False, by_alias=True, by_name=False)
        except ValidationError as error:
            here = [e for e in error.errors() if not (e["loc"] and e["loc"][0] in shared)]
            self._checking.report_found(here, model, entry, at)
            for found in error.errors():
                if found["loc"] and (key := shared.get(str(found["loc"][0]))):
                    self._checking.report_found([found], model, entry, ("global", key))
            return None
        self._warn_of_secrets(settings, at, shared)
        return settings

    def _check_pairs(self, model: type[BaseModel], entry: Mapping[str, object], at: Path) -> None:
        for key in [file_key(model, name) for name in model.model_fields]:
            if key in entry and f"{key}{FILE}" in entry:
                self._checking.report((*at, f"{key}{FILE}"), f"given beside {key}; keep one of them")

    def _fallbacks(self, kind: str, model: type[BaseModel], entry: Mapping[str, object]) -> dict[str, str]:
        """Key of the entry -> key of `global`, where only the latter says something."""
        found: dict[str, str] = {}
        asked = {HTTP_CONFIG: HTTP_CONFIG} if HTTP_CONFIG in model.model_fields else {}
        for name, key in {**asked, **self._notifiers[kind].globals}.items():
            own = file_key(model, name)
            base = own.removesuffix(FILE)
            if key in self._shared and base not in entry and f"{base}{FILE}" not in entry:
                found[own] = key
        return found

    def _warn_of_secrets(self, settings: BaseModel, at: Path, shared: Mapping[str, str]) -> None:
        """Those of `global` are all looked at once, by the lints."""
        for key, secret in secrets_in(settings):
            if str(key[0]) not in shared and is_in_place(secret):
                self._checking.warn((*at, *key), LITERAL)


def secrets_in(value: object) -> Iterator[tuple[Path, Secret]]:
    """Every secret in settings, and the path of its key."""
    inner: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, Secret):
        yield (), value
    elif isinstance(value, BaseModel):
        model = type(value)
        inner = [(file_key(model, name), getattr(value, name)) for name in model.model_fields]
    elif isinstance(value, tuple):
        inner = enumerate(value)
    elif isinstance(value, dict):
        inner = value.items()
    for key, each in inner:
        yield from (((key, *path), secret) for path, secret in secrets_in(each))
