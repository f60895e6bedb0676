"""Progress of a long loop: a bar on a terminal, a plain line now and then in a log file.

Both say how fast it goes and how long it will take.
"""

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
    items: Iterable[Item],
    *,
    total: int,
    description: str,
    done: int = 0,
    unit: str = "",
    size: int = 1,
) -> Iterator[Item]:
    """Yield `items`, saying how far it is.

    Args:
        items: what is worked on.
        total: number of items in all, those done earlier included.
        description: a few words in front of the figures.
        done: items that an earlier, interrupted run has finished.
        unit: what is counted in the rate, "images".
        size: how many of them an item is: the images of a step of training.
    """
    on_terminal = sys.stderr.isatty()
    start = last = time.monotonic()
    with tqdm(total=total, initial=done, desc=description, disable=not on_terminal) as bar:
        for count, item in enumerate(items, start=1):
            yield item
            now = time.monotonic()
            rate = count / max(now - start, 1e-9)
            speed = f"{rate * size:.1f} {unit}".rstrip()
            if unit:
                bar.set_postfix_str(f"{speed}/s", refresh=False)
            bar.update()
            finished = done + count
            if now - last > SECONDS_BETWEEN_LINES or finished == total:
                last = now
                if finished == total:
                    rest = f"took {rough_duration(now - start)}"
                else:
                    rest = f"{rough_duration((total - finished) / rate)} to go"
                LOG.info("%s: %d of %d, %s a second, %s", description, finished, total, speed, rest)


def rough_duration(seconds: float) -> str:
    """Seconds as "42 s", "3 min 05 s" or "2 h 10 min"."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
