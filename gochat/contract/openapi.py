"""The OpenAPI 3.1 document of the REST routes, generated from their table."""

from collections.abc import Mapping
from typing import Any, Final

from gochat.contract import CONTRACT_VERSION, examples, shapes
from gochat.contract.errors import codes, error_classes, error_table, in_one_line, problem_example, status_of
from gochat.contract.parameters import PATH
from gochat.contract.requests import Id
from gochat.contract.routes import PREFIX, ROUTES, Route
from gochat.contract.schemas import Json, answer_definitions, description, inline, request_definitions
from gochat.core.errors import ChatError
from gochat.core.limits import Limits

_INFO: Final = """\
The REST interface of GoChat: login, account, history, health, and what an app without a socket must do.

Errors are `application/problem+json` (RFC 9457); their `code` is stable. Clients ignore fields and enum
values that they do not know.
"""

_DEFAULT: Final = Limits()

_RETRY_AFTER: Final[Json] = {
    "Retry-After": {"description": "Seconds, rounded up.", "schema": {"type": "integer"}}
}
_HEADERS: Final[Mapping[int, Json]] = {
    401: {"WWW-Authenticate": {"description": "RFC 6750, section 3.", "schema": {"type": "string"}}},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}


def document(limits: Limits = _DEFAULT) -> Json:
    """The whole document, of JSON types only, with these limits of the product."""
    bodies = (route.body for route in ROUTES if route.body is not None)
    requests, request_schemas = request_definitions(bodies, limits)
    shown = [*(route.answer for route in ROUTES), shapes.Problem]
    answers, answer_schemas = answer_definitions(shown)
    references = {**requests, **answers}
    told = {kind for route in ROUTES for kind in route.errors}
    paths: Json = {}
    for route in ROUTES:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "GoChat REST",
            "version": CONTRACT_VERSION,
            "description": _INFO,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": request_schemas | answer_schemas,
            "examples": {
                kind.code: {"value": problem_example(kind)} for kind in error_classes() if kind in told
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "x-error-codes": error_table(),
    }


def _operation(route: Route, references: Mapping[type[Any], Json]) -> Json:
    operation: Json = {
        "operationId": route.name,
        "tags": [route.path.split("/")[1]],
        "summary": route.summary,
        "security": [{"token": []}] if route.auth else [],
        "parameters": [*map(_path_parameter, route.parameters), *_query_parameters(route)],
        "responses": _responses(route, references),
        "x-error-codes": codes(route.errors),
    }
    request = None if route.body is None else f"{route.body.__name__}Request"
    operation["description"] = in_one_line(request, route.answer.__name__, route.errors)
    if route.body is not None:
        operation["description"] += f"\n\n{description(route.body)}"
        asked = examples.route(route.name).get("request")
        operation["requestBody"] = {"required": True, "content": _json(references[route.body], asked)}
    return operation


def _path_parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": inline(PATH.get(name, Id))}


def _query_parameters(route: Route) -> list[Json]:
    """Lists are one value, separated by commas; what is optional is left out, never null."""
    if route.query is None:
        return []
    schema, shown = inline(route.query), examples.route(route.name).get("query", {})
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": field,
            **({"example": _listed(field, shown[name])} if name in shown else {}),
            **({"style": "form", "explode": False} if field.get("type") == "array" else {}),
        }
        for name, field in schema["properties"].items()
    ]


def _listed(field: Json, value: Any) -> Any:
    return value.split(",") if field.get("type") == "array" else value


def _responses(route: Route, references: Mapping[type[Any], Json]) -> Json:
    by_status: dict[int, list[type[ChatError]]] = {}
    for kind in route.errors:
        by_status.setdefault(status_of(kind), []).append(kind)
    done = "202" if route.accepted else "200"
    media_type = "application/x-ndjson" if route.lines else "application/json"
    answered = examples.route(route.name).get("answer")
    responses: Json = {
        done: {"description": "Done.", "content": _content(media_type, references[route.answer], answered)}
    }
    for status, kinds in sorted(by_status.items()):
        responses[str(status)] = {
            "description": ", ".join(f"`{code}`" for code in codes(kinds)),
            "content": {
                "application/problem+json": {
                    "schema": references[shapes.Problem],
                    "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes(kinds)},
                }
            },
            **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
        }
    if route.unavailable is not None:
        responses["503"] = {
            "description": "A part does not answer.",
            "content": _json(references[route.unavailable]),
        }
    return responses


def _json(schema: Json, example: Any = None) -> Json:
    return _content("application/json", schema, example)


def _content(media_type: str, schema: Json, example: Any) -> Json:
    return {media_type: {"schema": schema} | ({} if example is None else {"example": example})}
