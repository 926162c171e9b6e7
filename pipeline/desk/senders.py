"""Makes any notifier's calls: who an integration's connections are for, with which certificates and which name."""

import ssl
import tempfile
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path

from alerting.notifiers.base import Call
from pipeline.desk import apprise_sender, smtp
from pipeline.desk.http_client import HttpClient, HttpConfig
from pipeline.desk.kafka_sender import KafkaSender
from pipeline.desk.secrets import NoSecret, reveal
from schemas.calls import AppriseCall, HttpCall, KafkaCall, MailCall, Reply
from schemas.config import http_config as written
from schemas.desk import Integration
from schemas.secret import Secret

_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
_Made = tuple[object, HttpClient]
ClientFactory = Callable[[HttpConfig], HttpClient]


class Senders:
    """One for all integrations. `http` is for tests."""

    def __init__(self, bootstrap: str, http: ClientFactory = HttpClient) -> None:
        self.kafka = KafkaSender(bootstrap)
        self._http = http
        self._clients: dict[str, _Made] = {}

    async def make(self, integration: Integration, call: Call) -> Reply:
        """Raises Retry where nothing came back or a secret can't be read, and Refused where nothing ever will."""
        match call:
            case HttpCall():
                return await (await self._client(integration)).call(call)
            case MailCall():
                return await smtp.send(call, _context(_tls_of(integration)))
            case KafkaCall():
                return await self.kafka.send(call)
            case AppriseCall():
                return await apprise_sender.send(call)

    async def aclose(self) -> None:
        for _, client in self._clients.values():
            await client.aclose()
        self.kafka.close()

    async def _client(self, integration: Integration) -> HttpClient:
        """Made anew where a file that it was made of has changed, or a secret."""
        config = getattr(integration.settings, "http_config", None)
        if not isinstance(config, written.HttpConfig):
            config = written.HttpConfig()
        headers = authorization(config)
        stamp = (headers, *map(_stamp, _files(config.tls_config)))
        if integration.name in self._clients:
            known, client = self._clients[integration.name]
            if known == stamp:
                return client
            await client.aclose()
        client = self._http(connection(config, headers))
        self._clients[integration.name] = (stamp, client)
        return client


def connection(config: written.HttpConfig, headers: Mapping[str, str]) -> HttpConfig:
    """Redirects are followed where the file asks for it; Alertmanager does without being asked."""
    return HttpConfig(
        tls=_context(config.tls_config),
        server_name=config.tls_config.server_name if config.tls_config else None,
        proxy_url=config.proxy_url,
        follow_redirects="follow_redirects" in config.model_fields_set and config.follow_redirects,
        headers=headers,
    )


def authorization(config: written.HttpConfig) -> dict[str, str]:
    """
    >>> auth = written.Authorization(type="Token", credentials=Secret("text", "abcdef"))
    >>> authorization(written.HttpConfig(authorization=auth))
    {'Authorization': 'Token abcdef'}
    """
    if config.basic_auth is not None:
        basic = config.basic_auth
        user = reveal(Secret("file", basic.username_file)) if basic.username_file else basic.username
        pair = f"{user}:{_either(basic.password, basic.password_file)}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    if config.authorization is not None:
        shown = config.authorization
        return {"Authorization": f"{shown.type} {_either(shown.credentials, shown.credentials_file)}"}
    if config.bearer_token is not None or config.bearer_token_file is not None:
        return {"Authorization": f"Bearer {_either(config.bearer_token, config.bearer_token_file)}"}
    return {}


def _either(secret: Secret | None, file: str | None) -> str:
    if secret is not None:
        return reveal(secret)
    return reveal(Secret("file", file)) if file else ""


def _tls_of(integration: Integration) -> written.TlsConfig | None:
    found = getattr(integration.settings, "tls_config", None)
    return found if isinstance(found, written.TlsConfig) else None


def _files(tls: written.TlsConfig | None) -> list[str]:
    return [file for file in (tls.ca_file, tls.cert_file, tls.key_file) if file] if tls else []


def _stamp(file: str) -> tuple[int, int]:
    try:
        found = Path(file).stat()
    except OSError as error:
        raise NoSecret(f"tls_config: {file}: {error.strerror or error}") from None
    return found.st_mtime_ns, found.st_ino


def _context(tls: written.TlsConfig | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    try:
        made = ssl.create_default_context(cafile=tls.ca_file, cadata=tls.ca)
        if tls.cert_file or tls.cert:
            _show_certificate(made, tls)
    except OSError as error:  # ssl's own errors are some
        raise NoSecret(f"tls_config: {error.strerror or error}") from None
    if tls.min_version:
        made.minimum_version = _VERSIONS[tls.min_version]
    if tls.max_version:
        made.maximum_version = _VERSIONS[tls.max_version]
    if tls.insecure_skip_verify:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def _show_certificate(context: ssl.SSLContext, tls: written.TlsConfig) -> None:
    """What stands in the config goes through a file of our own for a moment: OpenSSL reads nothing else."""
    with tempfile.TemporaryDirectory(prefix="tidegauge-") as folder:
        cert, key = tls.cert_file, tls.key_file
        if cert is None:
            cert = str(Path(folder, "cert.pem"))
            Path(cert).write_text(tls.cert or "", "utf-8")
        if key is None and tls.key is not None:
            key = str(Path(folder, "key.pem"))
            Path(key).touch(mode=0o600)
            Path(key).write_text(reveal(tls.key), "utf-8")
        context.load_cert_chain(cert, key)
