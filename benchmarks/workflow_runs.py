"""Runs of the workflow in a folder of their own, with a configuration changed for a benchmark."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ssenet_core.data.dataset import dataset_root
from ssenet_core.settings import Settings

ROOT = Path(__file__).parents[1]


def absolute_paths(settings: Settings) -> dict[str, Any]:
    """An overlay that names the data and weights of a configuration from any folder."""
    dataset = settings.dataset
    own = {"root": str(dataset_root(dataset).absolute())} if dataset.source == "voc" else {}
    folder = str(Path(settings.download.folder).absolute())
    return {"download": {"folder": folder}, "dataset": own}


def make(out: Path, recipes: list[Path], change: dict[str, Any], target: str, cores: int) -> None:
    """Have the workflow make a file below `out`, with `change` laid over the recipes."""
    overlay = out / "change.yaml"
    overlay.write_text(yaml.safe_dump(change))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    files = [*map(str, recipes), str(overlay)]
    options = [
        "--directory",
        str(out),
        "--cores",
        str(cores),
        "--quiet",
        "all",
        "--configfile",
        *files,
    ]
    subprocess.run([*command, *options, "--", target], check=True)
