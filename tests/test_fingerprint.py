"""Fingerprints over a package made for the test: what changes them and what does not."""

import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from ssenet_core.errors import SSENetError
from ssenet_core.fingerprint import fingerprint

PACKAGE = {
    "__init__.py": "",
    "top.py": '''\
        """What top is for."""
        import json
        from pkg.middle import value
        from pkg import helpers
        from pkg.errors import Fault
        from pkg.settings.sections import Section

        def answer(x: int) -> int:
            """Say it."""
            # because
            return value(x) + 42
        ''',
    "middle.py": "def value(x):\n    from pkg.deep.inner import SIZE\n    return x * SIZE\n",
    "helpers.py": "STEP = 1\n",
    "deep/__init__.py": "from . import sibling\n",
    "deep/inner.py": "SIZE = 3\n",
    "deep/sibling.py": "import pkg.far.away as away\n",
    "far/__init__.py": "",
    "far/away.py": "from ..relative import THING\n",
    "relative.py": "THING = 1\n",
    "errors.py": "class Fault(Exception):\n    pass\n",
    "settings/__init__.py": "",
    "settings/sections.py": "class Section:\n    pass\n",
    "unrelated.py": "X = 1\n",
}
TICKS = count(1)


def write(root: Path, name: str, text: str) -> None:
    """Write a module, with a date that no earlier version had."""
    path = root / "pkg" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(next(TICKS), next(TICKS)))


@pytest.fixture
def root(tmp_path) -> Path:
    for name, text in PACKAGE.items():
        lines = text.splitlines()
        margin = "        " if lines and lines[0].startswith("        ") else ""
        write(tmp_path, name, "\n".join(line.removeprefix(margin) for line in lines) + "\n")
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "top.py",
        "middle.py",
        "helpers.py",
        "__init__.py",
        "deep/__init__.py",
        "deep/inner.py",
        "deep/sibling.py",
        "far/__init__.py",
        "far/away.py",
        "relative.py",
    ],
)
def test_a_constant_anywhere_below_changes_it(root, name):
    before = fingerprint("pkg.top", root=root)
    write(root, name, (root / "pkg" / name).read_text() + "NEW = 5\n")
    changed = fingerprint("pkg.top", root=root)
    assert changed != before
    write(root, name, (root / "pkg" / name).read_text().replace("NEW = 5", "NEW = 6"))
    assert fingerprint("pkg.top", root=root) not in {before, changed}


@pytest.mark.parametrize(
    "name", ["unrelated.py", "errors.py", "settings/__init__.py", "settings/sections.py"]
)
def test_what_is_not_imported_or_does_not_compute_is_left_out(root, name):
    before = fingerprint("pkg.top", root=root)
    write(root, name, "Y = 2\n")
    assert fingerprint("pkg.top", root=root) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# because", "# for a better reason"),
        ("# because\n", "\n"),
        ("Say it.", "Say it aloud."),
        ("    # because\n", '    "a string that stands alone"\n'),
        ("What top is for.", "What it is."),
        ('    """Say it."""\n', ""),
        ("value(x) + 42", "(value( x )\n            + 42)"),
        ("import json\n", "\n\nimport json\n\n"),
    ],
)
def test_words_and_layout_do_not_change_it(root, old, new):
    before = fingerprint("pkg.top", root=root)
    text = (root / "pkg" / "top.py").read_text()
    assert old in text
    write(root, "top.py", text.replace(old, new))
    assert fingerprint("pkg.top", root=root) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("42", "42.0"),
        ("42", "'42'"),
        ("x: int", "x: float"),
        ("value(x) + 42", "42 + value(x)"),
        ("return value", "return -value"),
        ("(x: int)", "(x: int = 0)"),
        ("(x: int)", "(x: int = None)"),
    ],
)
def test_code_changes_it(root, old, new):
    before = fingerprint("pkg.top", root=root)
    text = (root / "pkg" / "top.py").read_text()
    write(root, "top.py", text.replace(old, new))
    assert fingerprint("pkg.top", root=root) != before


def test_order_of_modules_does_not_matter(root):
    assert fingerprint("pkg.top", "pkg.unrelated", root=root) == fingerprint(
        "pkg.unrelated", "pkg.top", root=root
    )
    assert fingerprint("pkg.top", root=root) != fingerprint("pkg.unrelated", root=root)


def test_the_folder_does_not_matter(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere")
    (root / "pkg").rename(other / "pkg")
    moved = fingerprint("pkg.top", root=other)
    (other / "pkg").rename(root / "pkg")
    assert fingerprint("pkg.top", root=root) == moved


def test_modules_that_import_each_other_end(root):
    write(root, "helpers.py", "import pkg.top\n")
    assert fingerprint("pkg.top", root=root)


def test_nothing_is_imported(root):
    write(root, "deep/inner.py", "raise RuntimeError('imported')\n")
    assert fingerprint("pkg.top", root=root)


def test_an_unknown_module_and_broken_syntax_are_named(root):
    with pytest.raises(ValueError, match=r"pkg\.nowhere"):
        fingerprint("pkg.nowhere", root=root)
    write(root, "middle.py", "x = 1\ndef (\n")
    with pytest.raises(SSENetError, match=r"middle\.py, line 2"):
        fingerprint("pkg.top", root=root)


def test_of_this_package_it_takes_the_standard_library_alone():
    program = (
        "import sys; from ssenet_core.fingerprint import fingerprint;"
        "print(fingerprint('ssenet_core.refine'));"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'h5py')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == fingerprint("ssenet_core.refine")
    assert fingerprint("ssenet_core.refine") != fingerprint("ssenet_core.affinity.random_walk")
