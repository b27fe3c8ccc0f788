"""The generated contract: valid against the official schemas, complete, and committed as it is generated."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gochat.contract import asyncapi, openapi
from gochat.contract.documents import documents, write
from gochat.contract.errors import error_classes
from gochat.contract.events import CLIENT_EVENTS, SERVER_EVENTS
from gochat.contract.routes import PREFIX, ROUTES
from gochat.contract.shapes import Delta
from gochat.core.delta import Why
from gochat.core.errors import ChatError
from tests.services.programs import missing

ROOT = Path(__file__).resolve().parents[2]
ASYNCAPI_SCHEMA = ROOT / "tests/js/node_modules/@asyncapi/specs/schemas/3.0.0.json"


@pytest.fixture(scope="module")
def asyncapi_schema() -> jsonschema_rs.Draft7Validator:
    if not ASYNCAPI_SCHEMA.exists():
        missing("AsyncAPI's official schema is missing (npm ci in tests/js)")
    return jsonschema_rs.Draft7Validator(json.loads(ASYNCAPI_SCHEMA.read_text("utf-8")))


@pytest.mark.parametrize("name", documents())
def test_committed_document_is_fresh(name: str) -> None:
    committed = (ROOT / "docs/contract" / name).read_text("utf-8")
    assert committed == documents()[name], "stale: run `make contract`"


def test_written_documents_are_the_generated_ones(tmp_path: Path) -> None:
    write(tmp_path / "new")
    assert {path.name: path.read_text("utf-8") for path in (tmp_path / "new").iterdir()} == documents()


def test_openapi_is_valid() -> None:
    OpenAPIV31SpecValidator(openapi.document()).validate()


def test_asyncapi_is_valid(asyncapi_schema: jsonschema_rs.Draft7Validator) -> None:
    asyncapi_schema.validate(asyncapi.document())


def test_official_schema_refuses_a_broken_document(asyncapi_schema: jsonschema_rs.Draft7Validator) -> None:
    document = asyncapi.document()
    del document["operations"]["sync"]["channel"]
    assert not asyncapi_schema.is_valid(document)


@pytest.mark.parametrize("document", [asyncapi.document(), openapi.document()], ids=["asyncapi", "openapi"])
def test_every_reference_leads_somewhere(document: Any) -> None:
    references = list(_references(document))
    assert len(references) > 50
    for reference in references:
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def test_every_event_and_every_ack_is_described() -> None:
    document = asyncapi.document()
    operations = document["operations"]
    told = {operation["title"]: operation["action"] for operation in operations.values()}
    assert told == {
        "connect": "send",
        **dict.fromkeys(CLIENT_EVENTS, "send"),
        **dict.fromkeys(SERVER_EVENTS, "receive"),
    }
    replies = [operation["reply"]["messages"] for operation in operations.values() if "reply" in operation]
    assert len(replies) == len(CLIENT_EVENTS) + 1


def test_every_change_is_told_by_a_delta() -> None:
    assert {SERVER_EVENTS[why].payload for why in Why} == {Delta}


def test_every_route_is_described() -> None:
    paths = openapi.document()["paths"]
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert described == {(route.method, PREFIX + route.path) for route in ROUTES}


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in error_classes()]
    assert len(codes) == len(set(codes))
    with_code = {kind for kind in _tree(ChatError) if hasattr(kind, "code")}
    assert with_code == set(error_classes())


def _tree(kind: type[ChatError]) -> Iterator[type[ChatError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _tree(below)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for part in node.values():
            yield from _references(part)
    elif isinstance(node, list):
        for part in node:
            yield from _references(part)
