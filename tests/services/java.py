"""Java on the official client, driven over its standard streams."""

from pathlib import Path

from tests.services.dialogue import Dialogue
from tests.services.programs import JAVA, missing, require

PROJECT = Path(__file__).resolve().parent.parent / "java"


class JavaClient(Dialogue):
    """The class `gochat.Client` of tests/java, as Maven compiled it; `okhttp4`: on that, not on OkHttp 3."""

    def __init__(self, log: Path, *, okhttp4: bool = False) -> None:
        target = PROJECT / "target"
        if not (target / "classes").exists():
            missing("the official Java client is missing (mvn compile in tests/java)")
        newer = f"{target / 'okhttp4'}/*:" if okhttp4 else ""
        classpath = f"{target / 'classes'}:{newer}{target / 'lib'}/*"
        super().__init__([require(JAVA).with_name("java"), "-cp", classpath, "gochat.Client"], log)
