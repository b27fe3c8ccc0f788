"""The pipe to the official JavaScript client."""

import json
from pathlib import Path

import pytest

from tests.services.dialogue import EndedError
from tests.services.node import SCRIPTS, NodeClient


def test_talks_to_the_official_client(tmp_path: Path) -> None:
    locked = json.loads((SCRIPTS / "package.json").read_text())["dependencies"]["socket.io-client"]
    with NodeClient("echo.js", log=tmp_path / "log") as node:
        for value in ({"text": "line\nbreak 👍"}, [1, None]):
            node.send(value)
            assert node.receive() == {"received": value, "version": locked}
        node.send("last")
        assert node.receive_until(lambda message: message["received"] == "last")
        assert node.close() == 0


def test_tells_why_it_ended(tmp_path: Path) -> None:
    with NodeClient("echo.js", log=tmp_path / "log") as node:
        node.send("not JSON enough: " + "x" * 10)
        node.receive()
        node._child.stdin.write(b"{\n")  # type: ignore[union-attr]
        node._child.stdin.flush()  # type: ignore[union-attr]
        with pytest.raises(EndedError, match="SyntaxError"):
            node.receive()
