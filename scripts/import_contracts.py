"""A contract of import-linter that says what may be imported, instead of what may not."""

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyContract(Contract):
    """All that the modules of a package import directly is of the packages named.

    Options:
        - source: the package.
        - may_import: packages and modules, of this project, of others and of the standard library. Of others
          only the topmost name counts.
        - any_external: whether all that is not of this project may be imported.
    """

    type_name = "only"

    source = fields.ModuleField()
    may_import = fields.SetField(subfield=fields.StringField())
    any_external = fields.BooleanField(required=False, default=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find what is imported besides."""
        source: str = self.source.name  # type: ignore[attr-defined]
        allowed: set[str] = {source, *self.may_import}  # type: ignore[misc]
        wrong = []
        for importer in sorted({source} | graph.find_descendants(source)):
            for imported in sorted(graph.find_modules_directly_imported_by(importer)):
                external = not imported.startswith("gochat")
                if not (external and self.any_external) and not _within(imported, allowed):
                    wrong.append((importer, imported))
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each import."""
        for importer, imported in check.metadata["wrong"]:
            output.print_error(f"{importer} may not import {imported}", bold=False)


def _within(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
