"""What each module of the package imports, read from its source with `ast`."""

import ast
import functools
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nfvlab

PACKAGE = Path(nfvlab.__file__).parent
MAP = PACKAGE / "README.md"


@dataclass(frozen=True)
class Import:
    """One import: the module's dotted name, and whether it runs when the importing module is imported."""

    name: str
    at_import: bool

    @property
    def root(self) -> str:
        return self.name.partition(".")[0]


@functools.cache
def modules() -> dict[str, Path]:
    """Every module of the package: dotted name -> source file; a package is its `__init__`."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["nfvlab", *path.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def imports(module: str) -> frozenset[Import]:
    """What `module` imports, ours resolved to the module that defines the name, type checking left out."""
    path = modules()[module]
    found = set()

    def visit(node: ast.AST, at_import: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(Import(alias.name, at_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, path, node)
            found.update(Import(resolve(base, alias.name), at_import) for alias in node.names)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, at_import and not inside)

    visit(ast.parse(path.read_text(encoding="utf-8")), True)
    return frozenset(found)


def _absolute(module: str, path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


def resolve(base: str, name: str) -> str:
    """The module that `from base import name` reaches: a submodule, or what a package re-exports from."""
    if f"{base}.{name}" in modules():
        return f"{base}.{name}"
    if base in modules() and modules()[base].name == "__init__.py":
        for node in ast.walk(ast.parse(modules()[base].read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and any((a.asname or a.name) == name for a in node.names):
                original = next(a.name for a in node.names if (a.asname or a.name) == name)
                return resolve(_absolute(base, modules()[base], node), original)
    return base


def ours(module: str) -> set[str]:
    """The modules of the package that `module` imports, at any time."""
    return {found.name for found in imports(module) if found.name in modules()}


def reached(module: str) -> set[str]:
    """`module` and all that it imports of ours, directly or not."""
    seen, queue = set(), [module]
    while queue:
        current = queue.pop()
        if current not in seen:
            seen.add(current)
            queue += sorted(ours(current))
    return seen


def third_party(module: str) -> set[Import]:
    """The imports of `module` that are neither ours nor the standard library's."""
    return {i for i in imports(module) if i.root != "nfvlab" and i.root not in sys.stdlib_module_names}


@functools.cache
def floors() -> dict[str, int]:
    """Floor of each name that the map's table lists: a module, a package, or one module of a package."""
    found = {}
    for line in MAP.read_text(encoding="utf-8").splitlines():
        if row := re.match(r"\| (\d) \|.*\|(.*)\|$", line):
            for name in re.findall(r"`([\w/]+)`", row[2]):
                assert name not in found, f"{name} stands on two floors of {MAP}"
                found[name] = int(row[1])
    return found


def floor(module: str) -> int:
    """The floor a module stands on, as the map says; KeyError for a module that the map does not name."""
    parts = module.split(".")[1:]
    if not parts:
        return 0
    return floors()["/".join(parts) if "/".join(parts) in floors() else parts[0]]
