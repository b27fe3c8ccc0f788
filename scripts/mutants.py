"""Change the rules of `gochat/core` one place at a time, and tell what no test without a database notices.

    python scripts/mutants.py                    # all of core, minutes on two cores
    python scripts/mutants.py messages members   # some files
    python scripts/mutants.py --show messages:12 # the source of one change

A change (a "mutant") swaps a comparison, an operator, a number, a branch or a name of a kind for another, or
leaves out a statement or an argument. Texts, types and the estimates of `size` are no rules and stay. Each
runs in a process of its own, forked from one that has loaded all but core. Fails if fewer than 95 % are
noticed, or if one is not that `docs/mutants.md` does not name with its reason.
"""

import argparse
import ast
import importlib.abc
import importlib.machinery
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "gochat/core"
KNOWN = ROOT / "docs/mutants.md"
INVARIANTS = "tests/unit/core/test_invariants.py"
TESTS = (
    (
        "tests/unit/core",
        f"--ignore={INVARIANTS}",
        "tests/unit/test_sync.py",
        "tests/unit/test_history.py",
        "tests/unit/test_presence.py",
        "tests/unit/test_witness.py",
    ),
    (INVARIANTS,),
    ("tests/unit/contract", "tests/unit/auth", "tests/unit/events", "tests/unit/storage"),
)
"""Each lot is asked about what the one before lets pass: the fast ones first, before all the file's own."""
PRELOADED = (
    "pytest",
    "hypothesis.stateful",
    "orjson",
    "pydantic",
    "jsonschema_rs",
    "redis",
    "structlog",
    "sqlmodel",
)
TIMEOUT_S = 180
WANTED = 0.95

COMPARES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
N = TypeVar("N", bound=ast.AST)
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
KINDS = {
    "Role": ("OWNER", "ADMIN", "MEMBER"),
    "Kind": ("DIRECT", "GROUP"),
    "History": ("FROM_START", "FROM_JOINING"),
    "Why": ("MESSAGE_CREATED", "MESSAGE_EDITED", "CHANGES"),
}
CUT = {"replace", "Decision", "Delta", "Change", "Member", "Conversation", "Message"}
"""Calls whose named arguments are left out one by one."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    path: Path
    number: int
    line: int
    what: str
    source: str

    @property
    def name(self) -> str:
        """As `docs/mutants.md` names it: lines and numbers change too often."""
        return f"{self.path.name}: {self.what}"


class _Changer(ast.NodeTransformer):
    """Makes the change of one number, and counts all."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self.count = 0
        self.line = 0
        self.what = ""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [self.visit(it) for it in node.body]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.name != "size":
            node.body = [self.visit(it) for it in node.body]
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        for n, op in enumerate(node.ops):
            ops: list[ast.cmpop] = [*node.ops]
            ops[n] = COMPARES[type(op)]()
            node = self._offer(node, ast.Compare(node.left, ops, node.comparators))
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        return self._offer(
            node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        )

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if type(node.op) not in OPERATORS or _is_text(node.left) or _is_text(node.right):
            return node
        return self._offer(node, ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return self._offer(node, node.operand) if isinstance(node.op, ast.Not) else node

    def visit_If(self, node: ast.If) -> ast.AST:
        self.generic_visit(node)
        node.test = self._negated(node.test)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        node.test = self._negated(node.test)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool):
            return self._offer(node, ast.Constant(not node.value))
        if isinstance(node.value, int):
            return self._offer(node, ast.Constant(node.value + 1))
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._offer(node, ast.Name(NAMES[node.id], ast.Load())) if node.id in NAMES else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        names = KINDS.get(node.value.id, ()) if isinstance(node.value, ast.Name) else ()
        if node.attr not in names:
            return node
        other = names[(names.index(node.attr) + 1) % len(names)]
        return self._offer(node, ast.Attribute(node.value, other, ast.Load()))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in CUT:
            for keyword in node.keywords:
                others = [it for it in node.keywords if it is not keyword]
                node = self._offer(node, ast.Call(node.func, node.args, others))
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return self._offer(node, ast.Pass())

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        self.generic_visit(node)
        return self._offer(node, ast.Pass()) if isinstance(node.value, ast.Call) else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        return self._offer(node, ast.Pass())

    def visit_Continue(self, node: ast.Continue) -> ast.AST:
        return self._offer(node, ast.Pass())

    def _negated(self, test: ast.expr) -> ast.expr:
        if isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            return test  # has changes of its own
        other: ast.expr = ast.UnaryOp(ast.Not(), test)
        return self._offer(test, other)

    def _offer(self, node: N, other: N) -> N:
        number, self.count = self.count, self.count + 1
        if number != self._wanted:
            return node
        self.line = getattr(node, "lineno", 0)
        self.what = f"`{_short(node)}` → `{_short(other)}`"
        return ast.copy_location(other, node)


def mutants(path: Path) -> Iterator[Mutant]:
    """Every change of a file."""
    for number in range(_changed(path, -1)[0].count):
        changer, tree = _changed(path, number)
        yield Mutant(path, number, changer.line, changer.what, ast.unparse(ast.fix_missing_locations(tree)))


def _changed(path: Path, number: int) -> tuple[_Changer, ast.Module]:
    changer = _Changer(number)
    tree = changer.visit(ast.parse(path.read_text()))
    return changer, tree


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Loads the changed source in place of one module."""

    def __init__(self, mutant: Mutant) -> None:
        relative = mutant.path.relative_to(ROOT).with_suffix("")
        self._module = ".".join(relative.parts)
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._module:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=str(self._mutant.path))

    def get_source(self, fullname: str) -> str:
        return self._mutant.source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._mutant.source, str(self._mutant.path), "exec")


def survives(mutant: Mutant | None) -> bool:
    """Whether all tests pass with it; called in a process of its own."""
    import pytest

    if mutant is not None:
        sys.meta_path.insert(0, _Finder(mutant))
    options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutants"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what is loaded already
    with redirect_stdout(io.StringIO()) as said, redirect_stderr(said):
        for tests in (*([] if mutant is None else own_tests(mutant.path)), *TESTS):
            if pytest.main([*options, *tests]) != 0:
                break
        else:
            return True
    if mutant is None:
        print(said.getvalue(), file=sys.stderr)
    return False


def own_tests(path: Path) -> list[tuple[str, ...]]:
    """Return, as a lot, the tests that bear the file's name: soon loaded, and the most likely to notice."""
    named = [f"{folder}/test_{path.stem}.py" for folder in ("tests/unit/core", "tests/unit")]
    return [(name,) for name in named if (ROOT / name).exists()]


def run(work: Sequence[Mutant | None], processes: int, told: Callable[[Mutant | None, bool], None]) -> None:
    """Try each in a fork; tell of each whether it survived."""
    waiting = list(reversed(work))
    running: dict[int, Mutant | None] = {}
    while waiting or running:
        while waiting and len(running) < processes:
            mutant = waiting.pop()
            sys.stdout.flush()
            pid = os.fork()
            if pid == 0:
                signal.alarm(TIMEOUT_S)  # one that never ends is noticed
                os._exit(0 if survives(mutant) else 1)
            running[pid] = mutant
        pid, status = os.wait()
        told(running.pop(pid), status == 0)


def known() -> list[str]:
    """The survivors that `docs/mutants.md` names: each a list item that begins with its name."""
    lines = KNOWN.read_text().splitlines() if KNOWN.exists() else []
    return [line.removeprefix("- ").partition(": because ")[0] for line in lines if line.startswith("- ")]


def chosen(names: Iterable[str]) -> list[Mutant]:
    """The changes of the files named, or of all."""
    wanted = set(names)
    paths = sorted(it for it in CORE.rglob("*.py") if not wanted or it.stem in wanted)
    return [mutant for path in paths for mutant in mutants(path)]


def main() -> int:
    """Run; 1 if a rule is not held by the tests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", help="names without .py; none: all")
    parser.add_argument("--show", metavar="FILE:NUMBER")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.show:
        name, number = options.show.removesuffix(".py").split(":")
        print(chosen([name.removesuffix(".py")])[int(number)].source)
        return 0
    sys.path.insert(0, str(ROOT))
    for module in PRELOADED:
        __import__(module)
    begun, work = time.monotonic(), chosen(options.files)
    left: list[Mutant] = []

    def told(mutant: Mutant | None, survived: bool) -> None:
        if mutant is None and not survived:
            sys.exit("the tests fail without any change")
        if mutant is not None and survived:
            left.append(mutant)
            print(f"{mutant.path.name}:{mutant.line} #{mutant.number} {mutant.what}", flush=True)

    run([None], 1, told)
    run(work, options.processes, told)
    noticed = 1 - len(left) / len(work)
    seconds = time.monotonic() - begun
    print(f"{len(work)} changes, {noticed:.1%} of them noticed, {len(left)} not; {seconds:.0f} s")
    unknown = [mutant for mutant in left if mutant.name not in known()]
    for mutant in unknown:
        print(f"not named in {KNOWN.name}: {mutant.name}")
    return 1 if unknown or noticed < WANTED else 0


if __name__ == "__main__":
    sys.exit(main())
