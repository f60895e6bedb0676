"""`ssenet run` from any folder, and from an installed wheel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from workflow_tree import REPOSITORY

from ssenet_core.cli import main
from ssenet_core.data.shapes import make_shapes
from ssenet_core.run import WORKFLOW, snakemake_arguments
from ssenet_core.settings import ShapesSettings


def test_results_go_beside_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "photos.yaml"
    arguments = snakemake_arguments(file, ["--cores=1", "-n"])
    assert arguments[:4] == [
        "--snakefile",
        str(REPOSITORY / "Snakefile"),
        "--configfile",
        str(file),
    ]
    assert arguments[4:] == ["--directory", str(tmp_path), "--cores=1", "-n"]
    assert snakemake_arguments(file, [])[-2:] == ["--cores", "all"]
    # The workflow's own recipes are no place for results.
    assert "--directory" not in snakemake_arguments(WORKFLOW / "recipes" / "tiles.yaml", [])


def test_a_configuration_that_is_not_there(tmp_path: Path, capsys) -> None:
    for path, what in ((tmp_path / "gone.yaml", "no such file"), (tmp_path, "it is a folder")):
        assert main(["run", str(path), "-n"]) == 1
        error = capsys.readouterr().err
        assert f"error: {path}: expected a configuration, but " in error
        assert what in error


@pytest.mark.workflow
def test_an_installed_wheel_runs_its_own_workflow(tmp_path: Path) -> None:
    site, own, elsewhere = tmp_path / "site", tmp_path / "own", tmp_path / "elsewhere"
    elsewhere.mkdir()
    build = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [sys.executable, *build, "--target", str(site), str(REPOSITORY)], check=True, timeout=300
    )
    make_shapes(
        root=own / "photos", settings=ShapesSettings(seed=1, train=4, val=2, size=32, classes=2)
    )
    dataset = {"name": "own", "source": "voc", "root": "photos", "classes": ["ringlet", "starling"]}
    configuration = own / "own.yaml"
    configuration.write_text(yaml.safe_dump({"dataset": dataset}))
    command = [sys.executable, "-m", "ssenet_core.cli", "run", "../own/own.yaml"]
    run = subprocess.run(
        [*command, "--cores", "1", "--", "results/own/manifest/train.json"],
        cwd=elsewhere,
        env=os.environ | {"PYTHONPATH": str(site)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert run.stdout.startswith(f"snakemake --snakefile {site}/ssenet_core/workflow/Snakefile")
    assert (own / "results" / "own" / "manifest" / "train.json").is_file()
