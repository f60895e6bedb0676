"""Progress of a long loop: a bar on a terminal, a plain line now and then in a log file."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

LOG = logging.getLogger("ssenet")
SECONDS_BETWEEN_LINES = 15.0

Item = TypeVar("Item")


def progress(
    items: Iterable[Item], *, total: int, description: str, done: int = 0
) -> Iterator[Item]:
    """Yield `items`, saying how far it is.

    Args:
        items: what is worked on.
        total: number of items in all, those done earlier included.
        description: a few words in front of the figures.
        done: items that an earlier, interrupted run has finished.
    """
    on_terminal = sys.stderr.isatty()
    start = last = time.monotonic()
    with tqdm(total=total, initial=done, desc=description, disable=not on_terminal) as bar:
        for count, item in enumerate(items, start=1):
            yield item
            bar.update()
            now = time.monotonic()
            if now - last > SECONDS_BETWEEN_LINES or done + count == total:
                last = now
                rate = count / max(now - start, 1e-9)
                LOG.info(
                    "%s: %d of %d, %.1f a second, %.0f s to go",
                    description,
                    done + count,
                    total,
                    rate,
                    (total - done - count) / rate,
                )
