"""Secrets are read when they are used, and no log line shows one, wherever a library puts it."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from pipeline.desk import secrets
from pipeline.desk.secrets import NoSecret, hidden, redact, remember, reveal
from schemas.secret import SHOWN, Secret

CANARY = "canary-5ae1f0"


@pytest.fixture(autouse=True, scope="module")
def _forgets() -> Iterator[None]:
    """What is remembered here would be hidden from the logs of later tests."""
    known = dict(secrets._given_out)
    yield
    secrets._given_out.clear()
    secrets._given_out.update(known)


def logged(act: object) -> str:
    """What the desk's log would print, structlog's lines and the standard library's alike."""
    assert callable(act)
    sink = io.StringIO()
    handler = logging.StreamHandler(sink)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), structlog.processors.format_exc_info],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact,
                structlog.processors.JSONRenderer(default=repr),
            ],
        )
    )
    logger = logging.getLogger("tests.secrets")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.DEBUG)
    bound = structlog.wrap_logger(
        logger,
        processors=[
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
    )
    act(logger, bound)
    return sink.getvalue()


def test_a_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_TEST_SECRET", CANARY)
    assert reveal(Secret("env", "DESK_TEST_SECRET")) == CANARY
    monkeypatch.setenv("DESK_TEST_SECRET", f"{CANARY}\r\n\n")
    assert reveal(Secret("env", "DESK_TEST_SECRET")) == CANARY
    monkeypatch.delenv("DESK_TEST_SECRET")
    with pytest.raises(NoSecret, match="DESK_TEST_SECRET isn't set"):
        reveal(Secret("env", "DESK_TEST_SECRET"))


def test_a_file_is_read_each_time_it_is_used(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first-secret\n")
    assert reveal(Secret("file", str(file))) == "first-secret"
    file.write_text("second-secret")
    assert reveal(Secret("file", str(file))) == "second-secret"


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "No such file"), (b"", "empty"), (b"\n", "empty"), (b"\xff\xfe", "not UTF-8"), (b"x" * 70_000, "64 KiB")],
)
def test_a_file_that_wont_do_says_which_and_why(content: bytes | None, says: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(NoSecret, match=says) as caught:
        reveal(Secret("file", str(file)))
    assert str(file) in str(caught.value)


def test_no_way_of_logging_shows_a_secret() -> None:
    reveal(Secret("text", CANARY))

    def act(plain: logging.Logger, bound: structlog.stdlib.BoundLogger) -> None:
        plain.info("sent to %s", f"https://hooks.example/services/{CANARY}")
        plain.info("with %s", {"headers": {"Authorization": f"Bearer {CANARY}", "x": [CANARY]}})
        plain.info("extra", extra={"token": CANARY, "deep": {"list": [("a", CANARY)]}})
        bound.info("said", url=f"http://user:{CANARY}@proxy.example:3128/", body=CANARY.encode())
        bound.info(f"a message with {CANARY}", **{CANARY: 1})
        try:
            raise ValueError(f"cannot reach {CANARY}")
        except ValueError:
            plain.exception("failed")
            bound.exception("failed")

    text = logged(act)
    assert len(text.splitlines()) == 7
    assert all(json.loads(line) for line in text.splitlines())
    assert CANARY not in text.replace(f'"{CANARY}": 1', "")


@pytest.mark.parametrize(
    "secret", ["two-parts\nof-one-canary", "tab\tin-a-canary", "umlaut-ü-canary", 'quoted-"canary"']
)
def test_a_secret_is_hidden_also_as_python_and_json_write_it(secret: str) -> None:
    reveal(Secret("text", secret))
    for written in (secret, repr(secret), repr(secret.encode()), json.dumps(secret)):
        assert "canary" not in hidden(f"Illegal header value {written}!")


def test_what_nobody_revealed_is_hidden_by_its_shape() -> None:
    def act(plain: logging.Logger, bound: structlog.stdlib.BoundLogger) -> None:
        plain.info('HTTP Request: POST https://hooks.slack.example/services/T0/B0/path "HTTP/1.1 200 OK"')
        plain.info("connecting to smtp://ann:password1@mail.example:25")
        plain.info("sent {'Authorization': 'GenieKey abc-def', 'x': 1}")
        plain.info("https://env.example:443/workflows/1/invoke?sig=signature1")

    text = logged(act)
    for secret in ("T0", "path", "password1", "abc-def", "signature1"):
        assert secret not in text
    for kept in ("hooks.slack.example", "mail.example", "200 OK", "env.example"):
        assert kept in text


@given(st.text(min_size=6, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_a_remembered_secret_is_in_no_text(secret: str, before: str, after: str) -> None:
    remember(secret)
    assert secret not in hidden(before + secret + after).replace(SHOWN, "") or secret in SHOWN


@given(st.text(max_size=60))
def test_hiding_twice_changes_nothing_more(text: str) -> None:
    assert hidden(hidden(text)) == hidden(text)
