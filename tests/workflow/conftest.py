"""Trees that the tests here share: one finished, one in which nothing was run."""

import shutil
from pathlib import Path

import pytest
from workflow_tree import Tree, copy_tree

UNTOUCHED = "untouched-results"


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A tree in which nothing was run."""
    return copy_tree(tmp_path_factory.mktemp("fresh") / "tree")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A tree in which the default target was made."""
    tree = copy_tree(tmp_path_factory.mktemp("finished") / "tree")
    run = tree.snakemake()
    assert run.returncode == 0, run.stdout[-8000:]
    shutil.copytree(tree.results, tree.path / UNTOUCHED)
    return tree


@pytest.fixture(scope="session")
def undisturbed(finished: Tree) -> Path:
    """The results of the default target, before any test asked for more there."""
    return finished.path / UNTOUCHED
