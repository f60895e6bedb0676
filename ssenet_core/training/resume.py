"""Where an interrupted training continues: weights, optimiser and metrics of the last saved step.

The state lies in a folder `resume` beside the checkpoint, because Snakemake removes the declared
outputs of a failed job. It is used only by a run with the same key (settings, data, code).
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssenet_core.data.manifest import Manifest
from ssenet_core.errors import SSENetError
from ssenet_core.io.tensors import load_tensors, save_tensors

LOG = logging.getLogger("ssenet")
NAMED = 10  # of the label files that are missing, in the error


def resume_key(**facts: Any) -> str:
    """A digest of everything that a resumed run must share with the interrupted one."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def labels_key(manifest: Manifest, folder: Path, suffix: str) -> str:
    """A digest of the sizes and dates of the label files that a training reads.

    Raises:
        SSENetError: label files are missing; it names the first of them.
    """
    digest = hashlib.sha256()
    missing = []
    for image in manifest.images:
        path = folder / f"{image.id}{suffix}"
        try:
            stat = path.stat()
        except FileNotFoundError:
            missing.append(str(path))
            continue
        digest.update(f"{image.id} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    if missing:
        named = ", ".join(missing[:NAMED]) + (", ..." if len(missing) > NAMED else "")
        raise SSENetError(f"{len(missing)} label files are missing: {named}")
    return digest.hexdigest()


class ResumePoint:
    """The saved state of one training run.

    Args:
        checkpoint: the file that the run will write when it is done.
        key: from `resume_key`.
    """

    def __init__(self, checkpoint: str | Path, key: str) -> None:
        self.folder = Path(checkpoint).parent / "resume"
        self.key = key

    @property
    def path(self) -> Path:
        return self.folder / "state.pt"

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Write the state after `step` steps, atomically."""
        save_tensors({"key": self.key, "step": step, **state}, self.path)

    def load(self) -> dict[str, Any] | None:
        """The saved state, or None when there is none, or it is damaged or of another run."""
        if not self.path.exists():
            return None
        try:
            state = load_tensors(self.path)
        except SSENetError as error:
            LOG.warning("starting from the first step: %s", error)
            return None
        if state.get("key") != self.key:
            LOG.info("%s is of other settings, data or code: starting from step 0", self.path)
            return None
        LOG.info("continuing after step %d from %s", state["step"], self.path)
        return state

    def remove(self) -> None:
        """Delete the state: the run is done."""
        shutil.rmtree(self.folder, ignore_errors=True)
