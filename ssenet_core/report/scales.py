"""Scores of a run's CAM networks by the scale of the test image: read, and laid out as a table.

In: files of `evaluation.scales`. Fails with `SSENetError` that names a file of another kind.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import read_json
from ssenet_core.report.replicates import base_variant, spread

# As `evaluation.scales` calls the sum of the scales; importing it would bring the networks along.
MULTI_SCALE = "MS"
SCALE_NOTE = (
    "mIoU in percent of the CAMs of one test scale alone, at the configured alpha, and of the "
    "scales together."
)


def load_scales(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Read files of `evaluation.scales`."""
    found = []
    for path in paths:
        content = read_json(path)
        facts = content if isinstance(content, dict) else {}
        if not isinstance(facts.get("scales"), dict) or not facts["scales"]:
            raise SSENetError(
                f"{path}: expected scores by scale, found something else; delete the file and run "
                "the workflow again"
            )
        found.append(facts)
    return found


def scale_table(found: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and cells: scales down, CAM networks across; several seeds are one column."""
    networks: dict[str, list[Mapping[str, Any]]] = {}
    for content in found:
        networks.setdefault(base_variant(content["name"]), []).append(content["scales"])
    body = []
    for key in dict.fromkeys(key for content in found for key in content["scales"]):
        cells = []
        for runs in networks.values():
            scores = [run[key]["miou"] for run in runs if key in run]
            cells.append(spread(scores).text(1) if scores else "–")
        body.append(["together" if key == MULTI_SCALE else key, *cells])
    return ["Test scale", *networks], body
