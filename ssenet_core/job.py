"""The frame around a workflow script: its log file, its thread count, its errors."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssenet_core.errors import SSENetError


@contextmanager
def job(log: str | None, threads: int = 1) -> Iterator[None]:
    """Send messages to `log`, keep to `threads` threads, and end a user's error in one message.

    Args:
        log: the log file; None logs to standard error alone.
        threads: CPU threads that numerical libraries may use in this process.

    Raises:
        SystemExit: status 1 after an `SSENetError`, whose text went to the log and standard error;
            130 after Ctrl-C.
    """
    _log_to(log)
    _limit_threads(threads)
    logger = logging.getLogger("ssenet")
    try:
        yield
    except SSENetError as error:
        logger.error("%s", error)
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        logger.error("interrupted")
        print("interrupted; the same command goes on from what is done", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception:
        logger.exception("failed")
        raise


def _log_to(log: str | None) -> None:
    handler: logging.Handler
    if log is None:
        handler = logging.StreamHandler()
    else:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(log, mode="w")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("ssenet")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)


def _limit_threads(threads: int) -> None:
    # Libraries that are not loaded yet read the variables; torch, if it is loaded, needs telling.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
