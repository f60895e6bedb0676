"""A copy of the source tree with a tiny dataset in it, and what Snakemake would do there."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ssenet_core.data.shapes import make_shapes
from ssenet_core.settings import ShapesSettings

REPOSITORY = Path(__file__).parents[1]
SOURCES = (
    "Snakefile",
    "config.yaml",
    "rules",
    "workflow_scripts",
    "ssenet_core",
    "profiles",
    "envs",
)


@dataclass(frozen=True)
class Tree:
    """A copy of the source tree with a tiny dataset; Snakemake runs in it."""

    path: Path

    @property
    def results(self) -> Path:
        """The tiny dataset's results."""
        return self.path / "results" / "tiny"

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake with the tiny configuration; its output is one text, in `stdout`."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "tiny.yaml"]
        return subprocess.run(
            [*command, *arguments],
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1200,
            check=False,
        )

    def stale(self, change: Mapping[str, Any] | None = None, *arguments: str) -> dict[str, int]:
        """The rules that would run, and how often, with `change` laid over the configuration."""
        extra = self.path / "change.yaml"
        extra.write_text(yaml.safe_dump(dict(change or {})))
        run = self.snakemake(extra.name, "--dry-run", *arguments)
        assert run.returncode == 0, run.stdout
        table = re.search(r"^Job stats:\njob +count\n-[- ]+\n(.*?)\n\n", run.stdout, re.M | re.S)
        if table is None:
            assert "Nothing to be done" in run.stdout, run.stdout
            return {}
        rows = (line.split() for line in table.group(1).splitlines())
        return {rule: int(count) for rule, count in rows if rule not in {"total", "all"}}


@contextmanager
def put_back(*paths: Path) -> Iterator[None]:
    """Give files their content and dates back, and remove those that were not there."""
    before = {path: (path.read_bytes(), path.stat()) for path in paths if path.exists()}
    try:
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
        for path, (content, status) in before.items():
            path.write_bytes(content)
            times = (status.st_atime_ns, status.st_mtime_ns)
            os.utime(path, ns=times)


def copy_tree(target: Path) -> Tree:
    """Copy the sources and make the tiny dataset beside them."""
    target.mkdir(parents=True, exist_ok=True)
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target / name, ignore=ignored)
        else:
            shutil.copy2(source, target / name)
    shutil.copy2(Path(__file__).parent / "workflow" / "tiny.yaml", target / "tiny.yaml")
    settings = ShapesSettings(seed=1, train=12, val=6, size=48, classes=2)
    make_shapes(root=target / "photos", settings=settings)
    lists = target / "photos" / "ImageSets" / "Segmentation"
    for split, used in (("train", 11), ("val", 5)):  # one is left for a test to add
        ids = (lists / f"{split}.txt").read_text().split()
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in ids[:used]))
    return Tree(target)
