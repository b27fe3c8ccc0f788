"""What runs the code of docs/: Node, TypeScript's compiler, Kotlin's, Java, Python; each as a command."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.services.programs import JAVA, NODE, missing, require
from tests.snippets.fences import ROOT, write

HERE = Path(__file__).parent
DOCS = ROOT / "docs"
MODULES = ROOT / "tests/js/node_modules"
TARGET = ROOT / "tests/java/target"
LIBRARIES = (TARGET / "okhttp4", TARGET / "lib")
"""What a phone has: OkHttp 4 before the library's own."""
COMPILE_S = 300


def chat_mjs(directory: Path) -> list[str | Path]:
    """The README's client for terminals."""
    (script,) = write(ROOT / "README.md", directory)
    return [_node(directory), script]


def chat_ts(directory: Path) -> list[str | Path]:
    """The class of the web's page, checked as strictly as TypeScript can."""
    node = _node(directory)
    files = [it.name for it in write(DOCS / "quickstart/web.md", directory)]
    shutil.copy(HERE / "chat_main.ts", directory)
    (directory / "package.json").write_text('{"type": "module"}')
    options = [
        "--strict",
        "--noUncheckedIndexedAccess",
        "--exactOptionalPropertyTypes",
        "--module",
        "nodenext",
    ]
    options += ["--target", "es2022", "--lib", "es2023,dom,dom.iterable", "--types", "node", "--skipLibCheck"]
    _compile([node, MODULES / "typescript/bin/tsc", *options, *files, "chat_main.ts"], directory)
    return [node, directory / "chat_main.js"]


def chat_kt(directory: Path) -> list[str | Path]:
    """The class of Android's page."""
    return _kotlin(DOCS / "quickstart/android.md", "ChatMain.kt", directory)


def phone_kt(directory: Path) -> list[str | Path]:
    """The store, the outbox and the driver of docs/phone.md."""
    return _kotlin(DOCS / "phone.md", "PhoneMain.kt", directory)


def connection_java(directory: Path) -> list[str | Path]:
    """The class of Android's page that is Java."""
    _jars("lib")
    write(DOCS / "quickstart/android.md", directory)
    shutil.copy(HERE / "ConnectionMain.java", directory)
    libraries = _classpath(*LIBRARIES)
    sources = ["Connection.java", "ConnectionMain.java"]
    _compile([require(JAVA), "-Xlint:all", "-Werror", "-cp", libraries, *sources], directory)
    return [_java(), "-cp", f"{directory}:{libraries}", "ConnectionMain"]


def bot_py(directory: Path) -> list[str | Path]:
    """The bot in Python."""
    (script,) = write(DOCS / "quickstart/python-bot.md", directory)
    return [sys.executable, "-W", "error", script]


def _kotlin(page: Path, main: str, directory: Path) -> list[str | Path]:
    compiler, libraries = _jars("kotlin"), _classpath(*LIBRARIES, _jars("kotlin"))
    sources = [it.name for it in write(page, directory) if it.suffix == ".kt"]
    shutil.copy(HERE / main, directory)
    options = ["-no-stdlib", "-no-reflect", "-Werror", "-cp", libraries, "-d", "classes"]
    command: list[str | Path] = [_java(), "-Xmx768m", "-XX:TieredStopAtLevel=1", "-cp", _classpath(compiler)]
    _compile([*command, "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", *options, *sources, main], directory)
    return [_java(), "-cp", f"{directory / 'classes'}:{libraries}", main.replace(".kt", "Kt")]


def _node(directory: Path) -> Path:
    if not (MODULES / "typescript").exists():
        missing("the official JavaScript client is missing (npm ci in tests/js)")
    (directory / "node_modules").symlink_to(MODULES)
    return require(NODE)


def _java() -> Path:
    return require(JAVA).with_name("java")


def _jars(name: str) -> Path:
    if not (TARGET / name).exists():
        missing("the official Java client is missing (mvn compile in tests/java)")
    return TARGET / name


def _classpath(*folders: Path) -> str:
    return ":".join(str(jar) for folder in folders for jar in sorted(folder.glob("*.jar")))


def _compile(command: Sequence[str | Path], directory: Path) -> None:
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=COMPILE_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
