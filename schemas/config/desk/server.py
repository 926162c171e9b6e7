"""The desk itself: its address and its tokens. Where it can be reached from elsewhere, nobody gets in without one."""

import hashlib
import ipaddress

from schemas.config.checking import Checking
from schemas.config.desk.own import FileDesk, FileToken
from schemas.config.errors import Path
from schemas.config.machine import Machine
from schemas.desk import ApiToken, DeskServer
from schemas.secret import Secret

_AT: Path = ("desk",)
TOKEN_CHARS_MIN = 16


def server_of(written: FileDesk, checking: Checking, machine: Machine) -> DeskServer:
    if not _is_loopback(written.host) and not written.tokens:
        message = f"{written.host} can be reached by others, so somebody must be let in: add desk.tokens"
        checking.report((*_AT, "host"), message)
    if written.external_url is None and not _is_loopback(written.host):
        checking.warn((*_AT, "host"), "links in messages start with it; say under external_url how people reach it")
    host = f"[{written.host}]" if ":" in written.host else written.host
    return DeskServer(
        database_url=_database(written.database, checking, machine),
        host=written.host,
        port=written.port,
        external_url=(written.external_url or f"http://{host}:{written.port}").rstrip("/"),
        tokens=_tokens(written.tokens, checking, machine),
        max_page_age_s=written.max_page_age_s,
        keep_days=written.keep_days,
    )


def _is_loopback(host: str) -> bool:
    """
    >>> [_is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "desk.example")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _database(written: str, checking: Checking, machine: Machine) -> str:
    """`${env:NAME}` as it is where the variable isn't set: a worker reads this file too, and needs no database."""
    named = Secret.written(written)
    if named.kind == "env":
        found = machine.env(named.source)
        if found is None:
            checking.warn((*_AT, "database"), f"{written} isn't set here, so a desk can't start here")
        return written if found is None else found
    if "@" in written and ":" in written.partition("://")[2].rpartition("@")[0]:
        checking.warn((*_AT, "database"), "a password in the file itself; write ${env:NAME}")
    return written


def _tokens(written: tuple[FileToken, ...], checking: Checking, machine: Machine) -> tuple[ApiToken, ...]:
    found: list[ApiToken] = []
    names: set[str] = set()
    for position, token in enumerate(written):
        at: Path = (*_AT, "tokens", position)
        if checking.broken(at):
            continue
        if token.name in names:
            checking.report((*at, "name"), "is there already; give each its own name")
        names.add(token.name)
        digest = _digest(token, at, checking, machine)
        if digest is not None:
            found.append(ApiToken(token.name, token.role, digest))
    return tuple(found)


def _digest(token: FileToken, at: Path, checking: Checking, machine: Machine) -> str | None:
    given = [key for key in ("token_sha256", "token", "token_file") if getattr(token, key) is not None]
    if len(given) != 1:
        found = " and ".join(given) if given else "none of them"
        checking.report(at, f"needs one of token_sha256, token, token_file; got {found}")
        return None
    if token.token_sha256 is not None:
        return token.token_sha256.lower()
    secret = token.token or Secret("file", token.token_file or "")
    if secret.kind == "text":
        checking.report((*at, "token"), "a token in the file itself; write token_sha256, ${env:NAME} or file:PATH")
        return None
    text: str | None = None
    reason = f"environment variable {secret.source} isn't set here"
    try:
        text = machine.env(secret.source) if secret.kind == "env" else machine.read(secret.source).strip()
    except ValueError as error:
        reason = f"{secret.source}: {error}"
    if text is None:
        # A worker reads this file too, and may not have the desk's secrets: whoever has this token isn't let in.
        checking.warn((*at, given[0]), f"{reason}, so {token.name} is not let in")
        return None
    if len(text) < TOKEN_CHARS_MIN:
        checking.report((*at, given[0]), f"the token has fewer than {TOKEN_CHARS_MIN} characters; make a longer one")
        return None
    return hashlib.sha256(text.encode()).hexdigest()
