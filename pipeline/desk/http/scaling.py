"""How many replicas a load needs, for KEDA's `metrics-api` scaler. Without data an error: 0 would be an order."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from incidents.remedies.advice import NoAdvice
from pipeline.desk.http.errors import ApiError, answer
from pipeline.desk.http.service import allow, service_of
from schemas.alert import rfc3339
from schemas.config.errors import suggestion


async def get_scaling(request: Request) -> Response:
    """`replicas` is the number; the others say where it comes from."""
    allow(request, "viewer")
    service, name = service_of(request), request.path_params["name"]
    advisers = service.advisers
    if advisers is None or name not in advisers.names:
        known = advisers.names if advisers is not None else []
        hint = suggestion(name, known) if known else "automation.scaling has none"
        raise ApiError(404, f"no scaling {name!r}; {hint}")
    scaling, found = await service.aside(lambda: advisers.advise(name))
    if isinstance(found, NoAdvice):
        raise ApiError(503, found.reason)
    load = found.load
    return answer(
        {
            "name": name,
            "replicas": found.replicas,
            "value": load.value,
            "target": scaling.target,
            "load": {
                "aggregate": scaling.aggregate,
                "series": found.series,
                "slope_per_s": load.slope_per_s,
                "points": load.points,
                "at": rfc3339(load.at_s),
            },
            "reason": found.reason,
        }
    )


ROUTES = (Route("/api/desk/scaling/{name}", get_scaling, methods=["GET"]),)
