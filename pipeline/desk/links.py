"""Links by which a person acts on an incident without a token: signed, for one act, one person, and a while."""

import base64
import binascii
import hashlib
import hmac
import secrets

import msgspec
from sqlalchemy import Connection, insert, select

from pipeline.desk import tables
from pipeline.desk.secrets import reveal
from schemas.desk import Desk

PATH = "/links/"
KEY_CHARS_MIN = 16
_KEY = "link_key"
_TEXT_CHARS_MAX = 2_000
_encode = msgspec.json.Encoder(order="deterministic").encode


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What is signed. life_s: of the incident, so that a link of one that was reopened since does nothing."""

    incident: int
    act: str
    by: str
    life_s: float
    until_s: float


_link = msgspec.json.Decoder(Link)


def written(link: Link, key: bytes) -> str:
    """
    >>> read(written(Link(12, "acknowledge", "ann", 5.0, 90.0), b"k"), b"k", now_s=80.0).by
    'ann'
    >>> read(written(Link(12, "acknowledge", "ann", 5.0, 90.0), b"k"), b"k", now_s=91.0)
    Traceback (most recent call last):
    ValueError: this link is too old; a newer message has a newer one
    """
    body = _encode(link)
    return f"{_text(body)}.{_text(_signature(body, key))}"


def read(text: str, key: bytes, now_s: float) -> Link:
    """Raises ValueError: it isn't ours, or is too old."""
    head, _, tail = text.partition(".")
    try:
        if len(text) > _TEXT_CHARS_MAX:
            raise ValueError("too long")
        body, signature = _bytes(head), _bytes(tail)
        if not hmac.compare_digest(signature, _signature(body, key)):
            raise ValueError("another signature")
        link = _link.decode(body)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise ValueError("this link isn't one of ours; take the one of the message, whole") from None
    if now_s >= link.until_s:
        raise ValueError("this link is too old; a newer message has a newer one")
    return link


def key_of(conn: Connection, desk: Desk) -> bytes:
    """The config's, else one that the desk makes for itself, once; as part of a transaction that writes.

    Raises NoSecret where the config's can't be read now.
    """
    known = known_key(conn, desk)
    if known is None:
        made = secrets.token_hex(32)
        conn.execute(insert(tables.state).values(key=_KEY, value=made))
        known = _derived(made)
    return known


def known_key(conn: Connection, desk: Desk) -> bytes | None:
    """None: no link was ever made. As `key_of`."""
    given = desk.response.escalation.link_key
    if given is not None:
        return _derived(reveal(given))
    s = tables.state.c
    known = conn.execute(select(s.value).where(s.key == _KEY)).scalar()
    return None if known is None else _derived(known)


def address(desk: Desk, link: Link, key: bytes) -> str:
    return f"{desk.server.external_url.rstrip('/')}{PATH}{written(link, key)}"


def _derived(secret: str) -> bytes:
    return hashlib.sha256(b"tidegauge link\0" + secret.encode()).digest()


def _signature(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()


def _text(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
