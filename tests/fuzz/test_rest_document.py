"""What schemathesis makes of docs/contract/openapi.json: no fault of ours, nothing that is not in it."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gochat.contract import openapi
from tests.services.gochat import GoChatServer
from tests.wire.account import register

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ENDS = ["logout", "delete_me", "end_session", "change_password"]
"""What would end the login that asks; tests/contract has them."""
EXAMPLES = 15
"""Of each operation."""


def operations(document: Any, **which: Any) -> list[Any]:
    schema: Any = schemathesis.openapi.from_dict(document)
    return [found.ok() for found in (schema.include(**which) if which else schema).get_all_operations()]


OPERATIONS = [it for it in operations(openapi.document()) if it.definition.raw["operationId"] not in ENDS]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoChatServer]:
    settings = {"RATES": "all=off", "ARGON2_MEMORY_KIB": "8192"}
    with GoChatServer(tmp_path_factory.mktemp("server"), settings) as running:
        yield running


@pytest.fixture(scope="module")
def token(server: GoChatServer) -> str:
    with httpx2.Client(base_url=server.url, timeout=30) as http:
        return register(http, "fuzzed").token


@pytest.mark.timeout(300)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda it: it.label)
def test_an_operation(operation: Any, server: GoChatServer, token: str) -> None:
    explore(operation, server, token)


def test_what_the_document_does_not_have_is_found(server: GoChatServer, token: str) -> None:
    document = openapi.document()
    del document["paths"]["/api/v1/conversations/{conversation_id}"]["get"]["responses"]["404"]
    (operation,) = operations(document, operation_id="conversation")
    with pytest.raises(FailureGroup, match="Undocumented status code"):
        explore(operation, server, token)


def explore(operation: Any, server: GoChatServer, token: str) -> None:
    seen: Counter[int] = Counter()
    headers = {"Authorization": f"Bearer {token}"}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        response = case.call(base_url=server.url, headers=headers, timeout=60)
        case.validate_response(response, checks=CHECKS)
        seen[response.status_code] += 1

    check()
    assert seen
