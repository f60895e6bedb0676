"""GPU memory that runs out, told so that it can be mended."""

from collections.abc import Iterator
from contextlib import contextmanager

from ssenet_core.errors import SSENetError


@contextmanager
def gpu_memory(work: str, remedy: str) -> Iterator[None]:
    """Turn torch's error about GPU memory into one that says what to change.

    Args:
        work: what is done inside: "step 3 of cam training with 8 images".
        remedy: what needs less memory.

    Raises:
        SSENetError: GPU memory ran out inside.
    """
    try:
        yield
    except RuntimeError as error:
        # Known by its name, so that stages without a network need not import torch.
        if type(error).__name__ != "OutOfMemoryError":
            raise
        said = (str(error).splitlines() or ["no more is known"])[0]
        raise SSENetError(f"{work}: out of GPU memory; {remedy} ({said})") from error
