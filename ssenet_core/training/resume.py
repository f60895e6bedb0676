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

from ssenet_core.errors import SSENetError
from ssenet_core.models.backbones import load_tensors
from ssenet_core.models.sealed import save_sealed

LOG = logging.getLogger("ssenet")


def resume_key(**facts: Any) -> str:
    """A digest of everything that a resumed run must share with the interrupted one."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


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
        save_sealed({"key": self.key, "step": step, **state}, self.path)

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
