"""How the API says no. What comes from inside (a database, a path) is logged, never answered."""

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

log = structlog.get_logger(__name__)

JSON = "application/json"


class ApiError(Exception):
    """An answer that isn't the one asked for. `code` is Alertmanager's own number where it has one."""

    def __init__(self, status: int, message: str, code: int | None = None, *, is_text: bool = False) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.is_text = status, message, code, is_text

    def response(self) -> Response:
        """Alertmanager answers some mistakes with a JSON text and others with an object; clients know both."""
        body: object = self.message if self.is_text else {"code": self.code or self.status, "message": self.message}
        return answer(body, self.status)


def required(what: str) -> ApiError:
    return ApiError(422, f"{what} in body is required", 602)


def not_json(error: Exception) -> ApiError:
    """For what msgspec raises; its messages name a path in what was sent, and a type."""
    return ApiError(400, f"can't read the body: {error}")


def answer(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type=JSON)


async def on_api_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return error.response()


def failed(error: Exception, method: str, path: str) -> ApiError:
    """For what nobody expected."""
    if isinstance(error, SQLAlchemyError):
        log.warning("the API has no database now", path=path, method=method, error=type(error).__name__)
        return ApiError(503, "the desk's database can't be used now; try again")
    log.error("the API failed", path=path, method=method, exc_info=error)
    return ApiError(500, "failed inside; see the desk's log")


async def on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405."""
    status = getattr(error, "status_code", 500)
    headers = getattr(error, "headers", None)
    made = ApiError(status, {404: "no such address", 405: "not with this method"}.get(status, "refused")).response()
    made.headers.update(headers or {})
    return made
