"""Take a GPU, wait until the other job of two has taken one, write down which it was.

Usage: gpu_probe.py NAME OUTPUT. GPUs are pretended: those of CUDA_VISIBLE_DEVICES, else 0 and 1.
"""

import json
import os
import sys
import time
from pathlib import Path

from ssenet_core.models.device import claim_gpu, lock_folder

NAMES = {"a", "b"}


def main(name: str, output: Path) -> None:
    """Write the GPUs that were to be seen and the one that was taken."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "0,1").split(",")
    taken = seen[claim_gpu(seen, lock_folder())]
    Path(f"{name}.has_one").touch()
    end = time.monotonic() + 120
    while {path.stem for path in Path().glob("*.has_one")} != NAMES:
        if time.monotonic() > end:
            sys.exit("the other job does not run beside this one")
        time.sleep(0.1)
    output.write_text(json.dumps({"seen": seen, "taken": taken}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
