"""What every address of the API works with, and how it is asked."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

from sqlalchemy import Connection
from starlette.requests import Request

from pipeline.desk.automation.advisers import Advisers
from pipeline.desk.automation.runner import Runner
from pipeline.desk.courier import Courier
from pipeline.desk.database import Database
from pipeline.desk.http.errors import ApiError
from pipeline.desk.http.guard import ROLES, Role
from pipeline.desk.http.view import Clock, View
from pipeline.desk.lane import Sender
from pipeline.desk.taken import Taken
from pipeline.desk.threads import Pool
from schemas.desk import Desk
from schemas.matchers import Matchers

T = TypeVar("T")
THREADS = 8
_YES, _NO = ("true", "1", "t", "T", "TRUE", "True"), ("false", "0", "f", "F", "FALSE", "False")


@dataclass(frozen=True)
class Service:
    """In every request's `app.state`. courier and those after it: None where the process has none, as in tests."""

    db: Database
    desk: Desk
    clock: Clock
    view: View
    courier: Courier | None = None
    taken: Taken | None = None
    advisers: Advisers | None = None
    sender: Sender | None = None
    runner: Runner | None = None
    started_s: float = 0.0
    is_ready: Callable[[], bool] = field(default=lambda: True)
    aside: Pool = field(default_factory=lambda: Pool("api", THREADS))

    async def read(self, do: Callable[[Connection], T]) -> T:
        return await self.aside(partial(self.db.read, do))

    async def write(self, do: Callable[[Connection], T]) -> T:
        """What is asked for next shows what this has changed."""
        try:
            return await self.aside(partial(self.db.write, do))
        finally:
            self.view.changed()


def service_of(request: Request) -> Service:
    return cast(Service, request.app.state.service)


def allow(request: Request, least: Role) -> str:
    """The token's name, empty where none is needed. Raises ApiError where its role is too small."""
    role: Any = request.scope["state"].get("role")
    if role not in ROLES or ROLES.index(role) < ROLES.index(least):
        raise ApiError(403, f"needs the role {least}; this token is a {role}")
    return str(request.scope["state"]["user"])


def matchers_of(request: Request) -> Matchers:
    """All `filter` parameters. Raises ApiError."""
    try:
        return Matchers.parse(request.query_params.getlist("filter"))
    except ValueError as error:
        raise ApiError(400, f"bad matcher format: {error}", is_text=True) from None


def flag(request: Request, name: str, default: bool = True) -> bool:
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    if text not in _YES + _NO:
        raise ApiError(422, f"{name} in query must be of type boolean: {text[:40]!r}", 601)
    return text in _YES


def uuid_of(request: Request) -> str:
    text: str = request.path_params["id"]
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ApiError(422, f"silenceID in path must be of type uuid: {text[:60]!r}", 601) from None
