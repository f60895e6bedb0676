"""The one demand on every input: success, or one clear error that names the file. And a count.

`tried` is called with each input. More examples than the suite's: SSENET_HOSTILE_EXAMPLES=5000.
"""

import os
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ssenet_core.errors import SSENetError

Answer = TypeVar("Answer")

EXAMPLES = int(os.environ.get("SSENET_HOSTILE_EXAMPLES", "40"))
LONGEST_ERROR = 20_000  # characters: of all faults of one small file
OUTCOMES = ("success", "clear error", "anything else")
COUNTS: Counter[tuple[str, str]] = Counter()  # by input class and outcome
NUMBERS = count()

many = settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def tried(kind: str, read: Callable[[], Answer], *named: str | Path) -> Answer | None:
    """What `read` answers, or None after a clear error; any other end fails the test.

    Args:
        kind: the class of input, a row of the table.
        read: opens the input.
        named: what an error must name.
    """
    try:
        answer = read()
    except SSENetError as error:
        text = str(error)
        clear = all(str(name) in text for name in named) and 0 < len(text) < LONGEST_ERROR
        text.encode()  # it can be printed
        COUNTS[kind, OUTCOMES[1] if clear else OUTCOMES[2]] += 1
        assert clear, text[:2000]
        return None
    except BaseException:
        COUNTS[kind, OUTCOMES[2]] += 1
        raise
    COUNTS[kind, OUTCOMES[0]] += 1
    return answer


def written(path: Path, content: bytes) -> Path:
    """A file with this content, in a new place: nothing remembered of another can stand for it."""
    path = path.parent / str(next(NUMBERS) % 50) / path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """`whole` with a few bytes changed, left out, put in or cut off; half of them at its start."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        last = draw(st.sampled_from([min(64, len(content)), len(content)]))
        place = draw(st.integers(0, max(last - 1, 0)))
        match draw(st.sampled_from(["change", "change", "insert", "remove", "cut"])):
            case "change":
                content[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case "insert":
                content[place:place] = draw(st.binary(min_size=1, max_size=9))
            case "remove":
                del content[place : place + draw(st.sampled_from([1, 4, 64]))]
            case _:
                del content[place:]
    return bytes(content)


@st.composite
def damaged_one_of(draw: st.DrawFn, wholes: dict[str, bytes]) -> tuple[str, bytes]:
    """The name of one of several files, and its damaged content."""
    name = draw(st.sampled_from(sorted(wholes)))
    return name, draw(damaged(wholes[name]))
