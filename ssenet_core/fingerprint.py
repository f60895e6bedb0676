"""Fingerprints of code: what a stage's result depends on besides its settings and its inputs.

A fingerprint is a digest of modules' syntax trees and of those of everything inside this package
that they import, found without importing anything. Comments, docstrings and layout do not count. An
import by a computed name is not seen. Raises `SSENetError` for a file that is not valid Python.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ssenet_core.errors import SSENetError
from ssenet_core.run import WORKFLOW

ROOT = Path(__file__).resolve().parents[1]
# They say and show how a job goes and what went wrong; no number that a job writes depends on them.
# Nor on what settings may hold: rules compare the values themselves.
UNCOUNTED = ("errors", "jobs", "cam.watching", "settings")


class _Source(NamedTuple):
    """One module's syntax: its digest, and the names that it imports from its package."""

    digest: str
    imports: tuple[str, ...]


def fingerprint(*modules: str, root: Path = ROOT) -> str:
    """Digest of modules and of all that they import, at any depth, from their own packages.

    Args:
        modules: full names, "ssenet_core.crf".
        root: folder that holds the package.

    Returns:
        16 hexadecimal digits.

    Raises:
        ValueError: there is no such module.
        SSENetError: a file is not valid Python.
    """
    sources: dict[str, _Source] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in sources:
            continue
        path = _module_path(module, root)
        if path is None:
            raise ValueError(f"no module {module} in {root}")
        source = _read(path, path.stat().st_mtime_ns, module)
        sources[module] = source
        candidates = {*source.imports, *_parents(module)}
        waiting.extend(name for name in candidates if _counts(name, root))
    lines = (f"{module} {sources[module].digest}\n" for module in sorted(sources))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def _counts(name: str, root: Path) -> bool:
    """Whether a name is that of a module, not of something in one, and computes."""
    _, _, inside = name.partition(".")
    left_out = any(f"{inside}.".startswith(f"{left}.") for left in UNCOUNTED)
    return not left_out and _module_path(name, root) is not None


def _parents(module: str) -> Iterator[str]:
    """The packages around a module, which Python imports before it."""
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def _module_path(module: str, root: Path) -> Path | None:
    """The file of a module or package below `root`, or of a script of the workflow."""
    for folder in (root, WORKFLOW):
        base = folder.joinpath(*module.split("."))
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if path.is_file():
                return path
    return None


@lru_cache(maxsize=1024)
def _read(path: Path, mtime_ns: int, module: str) -> _Source:
    """Parse one file; `mtime_ns` makes an edited file another entry of the cache."""
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        raise SSENetError(f"{path}, line {error.lineno}: not valid Python: {error.msg}") from None
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    top = module.partition(".")[0]
    names = {name for name in _imported(tree, package) if name.partition(".")[0] == top}
    digest = hashlib.sha256(_canonical(tree).encode()).hexdigest()
    return _Source(digest, tuple(sorted(names)))


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Names that may be modules: all that import statements mention, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from (alias.name, *_parents(alias.name))
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                source = ".".join([*above, *filter(None, [source])])
            yield from (source, *_parents(source))
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _canonical(node: object) -> str:
    """A tree as text, without positions and strings that stand alone.

    Empty fields are left out: they are what differs between versions of Python.
    """
    if isinstance(node, ast.AST):
        fields = (
            f"{name}={_canonical(value)}"
            for name, value in ast.iter_fields(node)
            if value is not None and value != []
        )
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(_canonical(item) for item in node if not _is_docstring(item))}]"
    return repr(node)


def _is_docstring(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
