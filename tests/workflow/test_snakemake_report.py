"""Snakemake's own report of a finished run: what it holds, and what it says of each thing."""

import json
import re
import zipfile
from pathlib import Path

import pytest
from workflow_tree import Tree

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]


def embedded(page: str, name: str) -> object:
    """A variable of the page's scripts."""
    found = re.search(rf'<script id="{name}">\s*var \w+ = (.*?);?\s*</script>', page, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def test_it_holds_the_runs_report_with_captions(finished: Tree, tmp_path: Path) -> None:
    archive = tmp_path / "out.zip"
    run = finished.snakemake("--report", str(archive))
    assert run.returncode == 0, run.stdout
    with zipfile.ZipFile(archive) as file:
        page = file.read("out/report.html").decode()
        results = embedded(page, "results")
        kept = file.read(f"out/{results['results/tiny/report/index.html']['data_uri']}")
    assert kept == (finished.results / "report" / "index.html").read_bytes()
    captions = {
        path.removeprefix("results/tiny/"): re.sub(r"<[^>]+>|\s+", " ", one["caption"])
        for path, one in results.items()
        if "paper/" not in path
    }
    assert captions.keys() == {
        "report/index.html",
        "report/figures/gallery.png",
        "cam/baseline/evaluation/equivariance.png",
        "cam/ssenet/evaluation/equivariance.png",
    }
    assert "The report of tiny: scores of every stage" in captions["report/index.html"]
    assert "of the network baseline:" in captions["cam/baseline/evaluation/equivariance.png"]
    categories = embedded(page, "categories")
    assert {"Report", "Equivariance"} <= categories.keys()
    assert "dataset is tiny" in " ".join(str(embedded(page, "workflow-desc")).split())


def test_every_caption_is_there_and_used(finished: Tree) -> None:
    captions = finished.path / "rules" / "captions"
    named = set()
    for rules in (finished.path / "rules").glob("*.smk"):
        named |= set(re.findall(r'"captions/([\w{}]+\.rst)"', rules.read_text()))
    numbers = {f"figure{number}.rst" for number in (4, 5)}
    assert (named - {"figure{number}.rst"}) | numbers == {path.name for path in captions.iterdir()}
