"""`health`: for people, for the process's keeper, and for whoever sends it traffic."""

from collections.abc import Mapping

import orjson
from starlette.responses import Response

from gochat import __version__
from gochat.contract import CONTRACT_VERSION, requests, shapes
from gochat.rest.call import OpenCall
from gochat.rest.deps import Deps


async def health(deps: Deps, call: OpenCall[requests.Request]) -> shapes.HealthAnswer:
    """`GET health`."""
    return _health_out(await deps.health.check())


async def live(deps: Deps, call: OpenCall[requests.Request]) -> shapes.HealthAnswer:
    """`GET health/live`: no I/O, or a slow database would have the process killed."""
    return {"status": "ok", "contract_version": CONTRACT_VERSION, "version": __version__}


async def ready(deps: Deps, call: OpenCall[requests.Request]) -> Response:
    """`GET health/ready`."""
    shape = _health_out(await deps.health.check())
    status = 200 if shape["status"] == "ok" else 503
    return Response(orjson.dumps(shape), status, media_type="application/json")


def _health_out(parts: Mapping[str, str]) -> shapes.HealthAnswer:
    return {
        "status": "ok" if all(state == "ok" for state in parts.values()) else "unavailable",
        "contract_version": CONTRACT_VERSION,
        "version": __version__,
        "parts": dict(parts),
    }
