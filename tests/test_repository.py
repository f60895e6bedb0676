"""The files beside the code: versions agree, nothing is bound to one registry or machine."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FOLDERS = [
    ".ci",
    ".github",
    "docs",
    "envs",
    "profiles",
    "recipes",
    "rules",
    "ssenet_core",
    "tests",
    "workflow_scripts",
]
REGISTRY = re.compile(
    r"pypi\.org|python[h]osted|anaconda\.(org|com)|[n]pmjs|-index[-]url|(pypi|conda)[-]proxy"
)
MACHINE_PATH = re.compile(r"(?<![\w.}>])/(?:home|root|Users|work|mnt)/")


def text_files() -> list[Path]:
    """Every file of the sources that holds text."""
    files = [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    return [path for path in files if b"\0" not in path.read_bytes()]


@pytest.mark.parametrize("pattern", [REGISTRY, MACHINE_PATH], ids=["registry", "path"])
def test_no_file_is_bound_to_one_place(pattern: re.Pattern[str]) -> None:
    found = {
        str(path.relative_to(ROOT)): match.group()
        for path in text_files()
        if (match := pattern.search(path.read_text(errors="replace")))
    }
    assert len(text_files()) > 100
    assert found == {}


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    newest = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert newest
    assert {citation["version"], newest.group(1)} == {project["version"]}
    assert citation["license"] == project["license"]


def test_hooks_fetch_nothing() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert {repository["repo"] for repository in hooks["repos"]} == {"local"}
