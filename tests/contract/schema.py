"""What a test saw on the wire, held against the generated contract. Unknown fields fail here, where clients
have to ignore them: what the server says without having declared it is a defect.

    validate_event("message:created", payload)
    validate_ack("message:send", ack)
    validate_connect_error(exception.args[0])
    validate_response("GET", "/api/v1/conversations?limit=10", 200, body)
"""

import re
from copy import deepcopy
from functools import cache
from typing import Any

import jsonschema_rs

from gochat.contract import asyncapi, openapi
from gochat.contract.events import CLIENT_EVENTS, SERVER_EVENTS
from gochat.core.errors import UnknownEvent


def validate_event(name: str, payload: object) -> None:
    """An event that the server sent."""
    assert name in SERVER_EVENTS, f"{name} is no event of the contract"
    _check("events", _message(asyncapi.key(name)), payload, name)


def validate_ack(event: str, ack: object) -> None:
    """The answer to an event that a client sent; those unknown to the contract are refused as such."""
    if event not in CLIENT_EVENTS:
        _check("events", "/components/schemas/Refusal", ack, event)
        _check_code(ack, [UnknownEvent.code], event)
        return
    _check("events", _message(asyncapi.ack_key(event)), ack, event)
    assert isinstance(ack, dict)
    assert ack["ok"] is ("data" in ack), f"{event}: {ack}"
    _check_code(ack, _document("events")["operations"][asyncapi.key(event)]["x-error-codes"], event)


def validate_connect_error(error: object) -> None:
    """The whole content of a CONNECT_ERROR packet: `{message, data}`."""
    _check("events", _message("connect_error"), error, "connect_error")
    assert isinstance(error, dict)
    _check_code(
        {"error": error["data"]}, _document("events")["operations"]["connect"]["x-error-codes"], "connect"
    )


def validate_response(method: str, path: str, status: int, body: object) -> None:
    """A REST answer. `path` is as it was asked, query and all."""
    path = path.partition("?")[0]
    pointer, operation = _operation(method, path)
    declared = operation["responses"]
    assert str(status) in declared, f"{method} {path} may not answer {status}: {body}"
    ((media, _),) = declared[str(status)]["content"].items()
    schema = f"{pointer}/responses/{status}/content/{media.replace('/', '~1')}/schema"
    _check("routes", schema, body, f"{method} {path}")
    if media == "application/problem+json":
        _check_code({"error": body}, operation["x-error-codes"], f"{method} {path}")


def validate_shape(name: str, value: object) -> None:
    """A value of one of the shapes, by its name."""
    of = "events" if name in _document("events")["components"]["schemas"] else "routes"
    _check(of, f"/components/schemas/{name}", value, name)


def _message(key: str) -> str:
    return f"/components/messages/{key}/payload"


@cache
def _document(of: str) -> dict[str, Any]:
    return deepcopy(asyncapi.document() if of == "events" else openapi.document())


@cache
def _closed(of: str) -> Any:
    return closed(_document(of))


def closed(schema: Any) -> Any:
    """The same with no room for undeclared fields, nor for values that no enum has."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    match schema:
        case {"anyOf": [*known, {"type": "string"}]} if known and all("const" in it for it in known):
            return {**schema, "anyOf": known}
        case {"type": "boolean", "description": "Only ever true."}:
            return {"const": True}
        case {"type": "boolean", "description": "Only ever false."}:
            return {"const": False}
    parts = {key: closed(part) for key, part in schema.items()}
    if parts.get("type") == "object" and "properties" in parts:
        parts.setdefault("additionalProperties", False)
    return parts


@cache
def _validator(of: str, pointer: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**_closed(of), "$ref": f"#{pointer}"})


def _check(of: str, pointer: str, value: object, what: str) -> None:
    for error in _validator(of, pointer).iter_errors(value):
        where = "/".join(map(str, error.instance_path))
        raise AssertionError(f"{what}: {where}: {error.message}")


def _check_code(answer: Any, codes: list[str], what: str) -> None:
    if "error" in answer:
        assert answer["error"]["code"] in codes, f"{what} may not be refused with {answer['error']}"


@cache
def _operation(method: str, path: str) -> tuple[str, dict[str, Any]]:
    for template, operations in _document("routes")["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path) and method.lower() in operations:
            escaped = template.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
            return f"/paths/{escaped}/{method.lower()}", operations[method.lower()]
    raise AssertionError(f"{method} {path} is no route of the contract")
