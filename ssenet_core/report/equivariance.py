"""Measurements of equivariance of a run's CAM networks: read, and laid out as a table.

In: files of `evaluation.equivariance`. Fails with `SSENetError` that names a file of another kind.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.entries import EQUIVARIANCE, FORMAT
from ssenet_core.io.files import read_json
from ssenet_core.report.replicates import base_variant, spread

EQUIVARIANCE_NOTE = (
    "Mean absolute difference between the normalised class maps of a transformed image and the "
    "transformed class maps of the image, over tagged classes: 0 for an equivariant network, 1 at "
    "the most. Constant maps have 0 too: it does not say that maps are right."
)


def load_equivariance(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Read files of `evaluation.equivariance`."""
    entries = []
    for path in paths:
        content = read_json(path)
        facts = content if isinstance(content, dict) else {}
        if (facts.get("format"), facts.get("stage")) != (FORMAT, EQUIVARIANCE):
            raise SSENetError(
                f"{path}: expected measurements of equivariance of format {FORMAT}, found "
                "something else; delete the file and run the workflow again"
            )
        entries.append(facts)
    return entries


def equivariance_table(entries: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and cells: transforms down, CAM networks across; several seeds are one column."""
    networks: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        label = f"{base_variant(entry['name'])} ({entry['split']}, {entry['images']} images)"
        networks.setdefault(label, []).append(entry["differences"] | {"mean": entry["mean"]})
    names = list(dict.fromkeys(name for entry in entries for name in entry["differences"]))
    body = []
    for name in [*names, "mean"]:
        runs = [[run.get(name) for run in found] for found in networks.values()]
        body.append([name, *("–" if None in run else spread(run).text(3) for run in runs)])
    return ["Transform", *networks], body
