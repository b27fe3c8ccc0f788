"""What others make of the documents: their makers' validators, and a client that a generator wrote."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gochat.contract import asyncapi, openapi
from gochat.contract.documents import write
from tests.services.gochat import GoChatServer
from tests.services.programs import JAVA, NODE, missing, require

JS = Path(__file__).resolve().parents[1] / "js"
JARS = Path(__file__).resolve().parents[1] / "java/target"
MAIN = Path(__file__).with_name("GeneratedMain.kt")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def problems(directory: Path, rest: object, events: object) -> list[dict[str, Any]]:
    if not (JS / "node_modules/@redocly").exists():
        missing("the documents' validators are missing (npm ci in tests/js)")
    files = [directory / "openapi.json", directory / "asyncapi.json"]
    for file, document in zip(files, (rest, events), strict=True):
        file.write_text(json.dumps(document), "utf-8")
    done = subprocess.run(
        [require(NODE), JS / "validate.js", *files], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_redocly_and_asyncapis_parser_find_nothing(tmp_path: Path) -> None:
    assert problems(tmp_path, openapi.document(), asyncapi.document()) == []


def test_they_would_find_something(tmp_path: Path) -> None:
    rest, events = openapi.document(), asyncapi.document()
    rest["paths"]["/api/v1/messages"]["get"]["parameters"][1]["schema"]["le"] = 100
    del events["operations"]["sync"]["channel"]
    assert {it["document"] for it in problems(tmp_path, rest, events)} == {"openapi", "asyncapi"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GoChatServer]:
    (tmp_path / "server").mkdir()
    with GoChatServer(tmp_path / "server", {"ARGON2_MEMORY_KIB": "8192"}) as running:
        yield running


def test_a_generated_kotlin_client_talks_to_a_server(server: GoChatServer, tmp_path: Path) -> None:
    java, libraries = require(JAVA).with_name("java"), _jars("okhttp4", "openapi", "kotlin")
    write(tmp_path / "contract")
    generate: list[str | Path] = [
        "generate", "-g", "kotlin", "-i", tmp_path / "contract/openapi.json", "-o", tmp_path / "client",
        "--additional-properties", "serializationLibrary=gson,library=jvm-okhttp4,packageName=chat",
    ]  # fmt: skip
    _run([java, "-jar", next((JARS / "openapi").glob("openapi-generator-cli-*.jar")), *generate], tmp_path)
    sources = [str(it) for it in (tmp_path / "client/src/main").rglob("*.kt")]
    assert len(sources) > 50
    shutil.copy(MAIN, tmp_path)
    compiler: list[str | Path] = [java, "-Xmx1g", "-XX:TieredStopAtLevel=1", "-cp", _jars("kotlin")]
    options = ["-no-stdlib", "-no-reflect", "-nowarn", "-cp", libraries, "-d", "classes"]
    main = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"
    _run([*compiler, main, *options, *sources, MAIN.name], tmp_path)
    told = _run([java, "-cp", f"{tmp_path / 'classes'}:{libraries}", "GeneratedMainKt", server.url], tmp_path)
    assert json.loads(told.splitlines()[-1]) == {
        "logged_in": "ann",
        "refused": "invalid_credentials",
        "sent": "hello",
        "listed": 1,
        "last_message": "hello",
    }


def _jars(*folders: str) -> str:
    if not (JARS / "openapi").exists():
        missing("the generator of clients is missing (mvn compile in tests/java)")
    jars = (jar for folder in folders for jar in sorted((JARS / folder).glob("*.jar")))
    return ":".join(str(jar) for jar in jars if not jar.name.startswith("openapi-generator"))


def _run(command: list[str | Path], directory: Path) -> str:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
    return done.stdout
