"""The documentation site builds without warnings, has every page, and no link leads nowhere."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "zensical.toml", folder)
    for source in ("docs", "ssenet_core"):
        shutil.copytree(ROOT / source, folder / source)
    done = subprocess.run(
        [Path(sys.executable).parent / "zensical", "build", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "griffe:" not in output, output  # a docstring whose sections do not fit its function
    return folder / "site"


def test_every_page_is_built_and_every_function_is_described(site: Path) -> None:
    assert [page for page in PAGES if not (site / page).with_suffix(".html").exists()] == []
    html = (site / "api.html").read_text()
    named = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(), re.M)
    assert len(named) > 20
    assert [name for name in named if f'"{name}"' not in html] == []


def test_the_navigation_has_every_page() -> None:
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    assert sorted(re.findall(r"[\w-]+\.md", str(nav))) == PAGES


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md"])
def test_links_beside_the_site_lead_somewhere(file: str) -> None:
    """The build checks those of its own pages."""
    links = re.findall(r"\]\(((?!https?:)[^)#]+)", (ROOT / file).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []
