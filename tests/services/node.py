"""JavaScript on the official client, driven over its standard streams."""

from pathlib import Path

from tests.services.dialogue import Dialogue
from tests.services.programs import NODE, missing, require

SCRIPTS = Path(__file__).resolve().parent.parent / "js"


class NodeClient(Dialogue):
    """`node SCRIPT ARGUMENTS...`; SCRIPT is a file of tests/js, where npm put the official client."""

    def __init__(self, script: str, *arguments: str, log: Path) -> None:
        if not (SCRIPTS / "node_modules").exists():
            missing("the official JavaScript client is missing (npm ci in tests/js)")
        super().__init__([require(NODE), SCRIPTS / script, *arguments], log)
