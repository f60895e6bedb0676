"""Which GPU is whose: processes of one user on one machine share out the GPUs that they see.

Snakemake counts GPUs (`--resources gpu=2`) and tells no job which one it has. So there is a file a
GPU in the temporary folder, and the process that locks it has the GPU. The system drops a lock when
its process ends, however it ends. In: names of GPUs. Out: the index of one. Fails with
`SSENetError` where another user has the folder.
"""

import fcntl
import os
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from ssenet_core.errors import SSENetError


def lock_folder() -> Path:
    """Where this user's processes lock GPUs, made if need be.

    Raises:
        SSENetError: it is another user's.
    """
    folder = Path(tempfile.gettempdir()) / f"ssenet-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid():
        raise SSENetError(f"{folder}: it is another user's; set TMPDIR to a folder of your own")
    return folder


def claim_gpu(gpus: Sequence[str], folder: Path) -> int:
    """Take the GPU that the fewest processes have, until this process ends.

    Args:
        gpus: names, at least one; the same for every process, whatever index it has there.
        folder: holds the locks of all processes that are to be reckoned with.

    Returns:
        The index of a GPU: of one that nobody has, if there is. Nobody ever waits.
    """
    turns = ((turn, index) for turn in count() for index in range(len(gpus)))
    return next(index for turn, index in turns if _locked(folder / f"{gpus[index]}.{turn}"))


def _locked(path: Path) -> bool:
    """Lock a file for the rest of the process, unless another has it locked."""
    # Nothing closes the descriptor: the lock lives as long as it does. Forked workers have it too.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True
