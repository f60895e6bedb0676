"""Trees that the tests here share: one finished, one in which nothing was run."""

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from workflow_tree import Tree, copy_tree


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A tree in which nothing was run."""
    return copy_tree(tmp_path_factory.mktemp("fresh") / "tree")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree in which the default target was made, by one of the processes that run tests."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder, done = root / "made-once", root / "made-once.done"
    with FileLock(root / "made-once.lock"):
        if not done.exists():
            run = copy_tree(folder).snakemake()
            assert run.returncode == 0, run.stdout[-8000:]
            done.touch()
    return folder


@pytest.fixture(scope="session")
def finished(made_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A tree of this process in which the default target was made."""
    tree = Tree(tmp_path_factory.mktemp("finished") / "tree")
    shutil.copytree(made_once, tree.path, symlinks=True)
    return tree


@pytest.fixture(scope="session")
def undisturbed(made_once: Path) -> Path:
    """The results of the default target, before any test asked for more there."""
    return Tree(made_once).results
