"""The AsyncAPI 3.0 document of the Socket.IO events, generated from the tables.

It describes a client, for whom it is made: it `send`s requests and `receive`s the rest. An ack is the reply
of its operation; acks have a channel of their own, since an ack goes to the number that its event carried
and to no event name (Socket.IO protocol 5, EVENT and ACK packets).
"""

from typing import Any, Final

from gochat.contract import CONTRACT_VERSION, examples, shapes
from gochat.contract.errors import codes, error_example, error_table, in_one_line
from gochat.contract.events import (
    ANY_EVENT_ERRORS,
    CLIENT_EVENTS,
    CONNECT_ERRORS,
    SERVER_EVENTS,
    ClientEvent,
    ServerEvent,
)
from gochat.contract.schemas import Json, answer_definitions, description, request_definitions
from gochat.core.limits import Limits

_INFO: Final = """\
The Socket.IO interface of GoChat: namespace `/`, at `/socket.io/` and `/api/v1/ws/`.

Connect with `auth: {"token": "<access token>"}` or with the header `Authorization: Bearer <access token>`.
Every event takes one JSON object, and every event that asks for an ack gets one: `{"ok": true, "data": ...}`
or `{"ok": false, "error": ...}`. Clients ignore fields, events and enum values that they do not know.
"""

_DEFAULT: Final = Limits()


def document(limits: Limits = _DEFAULT) -> Json:
    """The whole document, of JSON types only, with these limits of the product."""
    asked = (event.request for event in CLIENT_EVENTS.values())
    requests, request_schemas = request_definitions(asked, limits)
    answers, answer_schemas = answer_definitions(
        [event.answer for event in CLIENT_EVENTS.values()]
        + [event.payload for event in SERVER_EVENTS.values()]
        + [shapes.Refusal, shapes.ConnectError]
    )
    schemas = {**request_schemas, **answer_schemas, "ConnectAuth": _CONNECT_AUTH}
    messages: Json = dict(_connection_messages(answers[shapes.ConnectError]))
    operations: Json = {"connect": _connect()}
    for name, event in CLIENT_EVENTS.items():
        example = examples.event(name).get("request")
        messages[key(name)] = _message(name, event.summary, requests[event.request], example)
        schemas[_ack_name(event)] = _ack(event, answers[event.answer])
        messages[ack_key(name)] = _ack_message(name, event, answers[shapes.Refusal])
        operations[key(name)] = _sent(name, event)
    for name, told in SERVER_EVENTS.items():
        messages[key(name)] = _message(name, told.summary, answers[told.payload], examples.told(name))
        operations[key(name)] = _heard(name, told)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "GoChat realtime",
            "version": CONTRACT_VERSION,
            "description": _INFO,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": _channels(),
        "operations": operations,
        "components": {
            "schemas": schemas,
            "messages": messages,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "In the CONNECT packet as `auth.token`, or as a header of the handshake.",
                }
            },
        },
        "x-error-codes": error_table(),
    }


def key(event: str) -> str:
    """An event's name as keys of the document allow it."""
    return event.replace(":", ".")


def ack_key(event: str) -> str:
    """The key of the message that acknowledges an event."""
    return f"{key(event)}.ack"


def _servers() -> Json:
    return {
        "main": {
            "host": "{host}",
            "pathname": "/socket.io/",
            "protocol": "wss",
            "protocolVersion": "Socket.IO 5 on Engine.IO 4",
            "description": "Also at `/api/v1/ws/`. Over HTTP long-polling too.",
            "variables": {"host": {"description": "Where the server runs.", "default": "localhost"}},
            "security": [{"$ref": "#/components/securitySchemes/token"}],
        }
    }


def _channels() -> Json:
    return {
        "connection": {
            "address": "/",
            "title": "CONNECT and its refusal",
            "messages": _listed(["connect", "connect_error"]),
        },
        "events": {
            "address": "/",
            "title": "Events of the namespace `/`",
            "messages": _listed([key(name) for name in (*CLIENT_EVENTS, *SERVER_EVENTS)]),
        },
        "acks": {
            "address": None,
            "title": "Acks",
            "description": "An ack goes back to the number that its event carried.",
            "messages": _listed([ack_key(name) for name in CLIENT_EVENTS]),
        },
    }


def _listed(keys: list[str]) -> Json:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in keys}


def _message(name: str, summary: str, payload: Json, *seen: Any) -> Json:
    shown = [{"payload": example} for example in seen if example is not None]
    told = {"name": name, "title": name, "summary": summary, "payload": payload}
    return told | {"examples": shown} if shown else told


def _ack_name(event: ClientEvent) -> str:
    return event.answer.__name__.removesuffix("Answer") + "Ack"


def _ack(event: ClientEvent, data: Json) -> Json:
    return {
        "title": _ack_name(event),
        "description": "Done.",
        "type": "object",
        "properties": {"ok": {"type": "boolean", "description": "Only ever true."}, "data": data},
        "required": ["ok", "data"],
    }


def _ack_message(name: str, event: ClientEvent, refusal: Json) -> Json:
    done = {"$ref": f"#/components/schemas/{_ack_name(event)}"}
    kind = (*event.errors, *ANY_EVENT_ERRORS)[0]
    refused = {"ok": False, "error": error_example(kind)}
    told = _message(
        name, "Done, or refused.", {"oneOf": [done, refusal]}, examples.event(name).get("ack"), refused
    )
    return told | {"name": f"{name} ack", "title": f"Ack of {name}"}


_CONNECT_AUTH: Final[Json] = {
    "title": "ConnectAuth",
    "type": "object",
    "properties": {"token": {"type": "string", "description": "An access token."}},
    "description": "Flat strings. Without a token the header has to bring it.",
}


def _connection_messages(connect_error: Json) -> Json:
    auth = {"$ref": "#/components/schemas/ConnectAuth"}
    error = error_example(CONNECT_ERRORS[0])
    refused = {"message": error["message"], "data": error}
    return {
        "connect": _message(
            "connect", "The CONNECT packet's `auth`.", auth, {"token": "eyJhbGciOiJIUzI1NiJ9"}
        ),
        "connect_error": _message("connect_error", "The connection was refused.", connect_error, refused),
    }


def _connect() -> Json:
    return {
        "action": "send",
        "channel": {"$ref": "#/channels/connection"},
        "title": "connect",
        "description": in_one_line("ConnectAuth", "CONNECT", CONNECT_ERRORS),
        "summary": "Connect. Afterwards the socket hears all its user's conversations without asking.",
        "messages": [{"$ref": "#/channels/connection/messages/connect"}],
        "reply": {
            "channel": {"$ref": "#/channels/connection"},
            "messages": [{"$ref": "#/channels/connection/messages/connect_error"}],
        },
        "x-error-codes": codes(CONNECT_ERRORS),
    }


def _sent(name: str, event: ClientEvent) -> Json:
    errors = (*event.errors, *ANY_EVENT_ERRORS)
    line = in_one_line(f"{event.request.__name__}Request", event.answer.__name__, errors)
    return {
        "action": "send",
        "channel": {"$ref": "#/channels/events"},
        "title": name,
        "summary": event.summary,
        "description": f"{line}\n\n{description(event.request)}",
        "messages": [{"$ref": f"#/channels/events/messages/{key(name)}"}],
        "reply": {
            "channel": {"$ref": "#/channels/acks"},
            "messages": [{"$ref": f"#/channels/acks/messages/{ack_key(name)}"}],
        },
        "x-error-codes": codes(errors),
    }


def _heard(name: str, event: ServerEvent[Any]) -> Json:
    return {
        "action": "receive",
        "channel": {"$ref": "#/channels/events"},
        "title": name,
        "summary": event.summary,
        "description": f"`{event.payload.__name__}`; nothing answers it.",
        "messages": [{"$ref": f"#/channels/events/messages/{key(name)}"}],
    }
