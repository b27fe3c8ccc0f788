"""Every revision of the schema can run again after a kill, and lets the release before go on."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gochat.storage import steps

VERSIONS = Path(__file__).parents[3] / "alembic" / "versions"
OTHERS = {"sqlalchemy", "secrets", "time"}
"""What a revision may import besides the steps: for types, and for the values of a row."""


def faults(source: str, before: str | None = None) -> Iterator[str]:
    """What is wrong with a revision; `before` is the one that it follows."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"imports {alias.name}" for alias in node.names if alias.name not in OTHERS)
        elif isinstance(node, ast.ImportFrom) and node.module != steps.__name__:
            yield f"imports from {node.module}"
    mark = constant(tree, "oldest_code")
    if mark is None:
        yield "has no oldest_code"
    forward = (it for it in tree.body if not (isinstance(it, ast.FunctionDef) and it.name == "downgrade"))
    drops = {
        node.func.id
        for node in (node for part in forward for node in ast.walk(part))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.startswith("drop_")
    }
    if before is not None and bool(drops) != (mark != constant(ast.parse(before), "oldest_code")):
        yield "drops something, or raises oldest_code, but not both"


def constant(tree: ast.Module, name: str) -> str | None:
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == name
        ):
            assert isinstance(node.value, ast.Constant)
            return node.value.value if isinstance(node.value.value, str) else None
    return None


REVISIONS = [path.read_text() for path in sorted(VERSIONS.glob("[0-9]*.py"))]


def test_they_are_one_line() -> None:
    trees = [ast.parse(source) for source in REVISIONS]
    numbers = [constant(tree, "revision") for tree in trees]
    assert numbers == [f"{n:04}" for n in range(1, len(numbers) + 1)]
    assert [constant(tree, "down_revision") for tree in trees] == [None, *numbers[:-1]]


@pytest.mark.parametrize("n", range(len(REVISIONS)), ids=lambda n: f"{n + 1:04}")
def test_each_is_made_of_steps_that_can_be_repeated(n: int) -> None:
    assert list(faults(REVISIONS[n], REVISIONS[n - 1] if n else None)) == []


GOOD = """
from gochat.storage.steps import add_column_if_missing, number, drop_column_if_there
oldest_code = "0001"
def upgrade():
    add_column_if_missing("users", number("more", default=0))
def downgrade():
    drop_column_if_there("users", "more")
"""


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("from gochat", "from alembic import op\nfrom gochat"), "imports from alembic"),
        (("from gochat", "import alembic.op\nfrom gochat"), "imports alembic.op"),
        (('oldest_code = "0001"\n', ""), "has no oldest_code"),
        (('= "0001"', '= "0002"'), "drops something, or raises oldest_code, but not both"),
        (
            (
                'add_column_if_missing("users", number("more", default=0))',
                'drop_column_if_there("users", "more")',
            ),
            "drops something, or raises oldest_code, but not both",
        ),
    ],
)
def test_a_revision_that_is_not_so_is_found(change: tuple[str, str], fault: str) -> None:
    assert list(faults(GOOD, GOOD)) == []
    assert fault in list(faults(GOOD.replace(*change), GOOD))


def test_a_column_that_old_code_would_have_to_fill_is_refused() -> None:
    with pytest.raises(ValueError, match=r"users\.more"):
        steps.add_column_if_missing("users", sa.Column("more", sa.Integer(), nullable=False))
