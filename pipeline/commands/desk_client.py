"""How commands ask the desk: where it is, with which token, and what to say where it doesn't answer."""

import os
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, WRONG_USE, fail, load_desk
from schemas.desk import DeskServer

DeskUrl = Annotated[
    str | None,
    typer.Option("--desk", metavar="URL", help="The desk's address (default: desk.host and desk.port of the config)."),
]
_TIMEOUT_S = 15.0
_THERE_S = 1.0
_SAID_CHARS_MAX = 500
_HINTS = {401: "; put one into TIDEGAUGE_TOKEN", 403: "; ask for a token with that role"}


class DeskClient:
    """Ends the command where the desk refuses: exit 1, or 2 where what was asked for is wrong."""

    def __init__(self, command: str, config: Path, url: str | None) -> None:
        self._command = command
        self._url = (url or _address(config)).rstrip("/")
        token = os.environ.get("TIDEGAUGE_TOKEN")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def is_there(self) -> bool:
        """Whether a desk answers at all; asks for a second at most."""
        try:
            return httpx.get(f"{self._url}/-/healthy", timeout=_THERE_S, trust_env=False).is_success
        except (httpx.HTTPError, httpx.InvalidURL):
            return False

    def get(self, path: str, **params: Any) -> Any:
        return self._ask("GET", path, params=params)

    def text(self, path: str, **params: Any) -> str:
        """The answer as it came."""
        return self._answer("GET", path, params=params).text

    def post(self, path: str, body: object) -> Any:
        return self._ask("POST", path, json=body)

    def put(self, path: str, body: object) -> Any:
        return self._ask("PUT", path, json=body)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        answer = self._answer(method, path, **options)
        return answer.json() if answer.content else None

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            with httpx.Client(trust_env=False, timeout=_TIMEOUT_S, headers=self._headers) as client:
                answer = client.request(method, self._url + path, **options)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            fail(
                f"{self._command}: --desk {self._url!r} is no address; write for example http://127.0.0.1:8470",
                WRONG_USE,
            )
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            fail(f"{self._command}: no desk at {self._url}: {said}; start one with `tidegauge desk`", PROBLEMS)
        if not answer.is_success:
            hint = _HINTS.get(answer.status_code, "")
            code = WRONG_USE if answer.status_code in (400, 422) else PROBLEMS
            fail(f"{self._command}: {_said(answer)}{hint}", code)
        return answer


def _said(answer: httpx.Response) -> str:
    """Alertmanager answers with a text or with an object; whatever listens there instead with anything."""
    try:
        body = answer.json()
    except ValueError:
        return f"answered {answer.status_code}"
    text = body.get("message") if isinstance(body, dict) else body
    return text[:_SAID_CHARS_MAX] if isinstance(text, str) else f"answered {answer.status_code}"


def _address(config: Path) -> str:
    is_there = config != DEFAULT_CONFIG or config.exists()
    server = load_desk(config).desk.server if is_there else DeskServer()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)  # noqa: S104 - it is compared, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{server.port}"
