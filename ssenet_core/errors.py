"""The one exception for what a user can mend: names the file, the expected, the found."""

import difflib
from collections.abc import Iterable, Sequence

LONGEST_SHOWN = 80  # characters of a value in a message
SHOWN_NAMES = 3  # of a long list, in a message that is not about each of them


class SSENetError(Exception):
    """A fault of input, configuration or environment; its text is all that a user needs to see."""


def shown(value: object) -> str:
    """A value for a message, its end left out where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes out no number of more than some thousand digits
        return f"a {type(value).__name__} of very many digits"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def listed(names: Iterable[object]) -> str:
    """Names with commas between."""
    return ", ".join(map(str, names))


def some_of(names: Sequence[str]) -> str:
    """The first of some names, for a message that is not about each of them."""
    return ", ".join(names[:SHOWN_NAMES]) + (", ..." if len(names) > SHOWN_NAMES else "")


def listing(heading: str, problems: Iterable[str]) -> str:
    """A heading with its problems below, one a line."""
    return "\n".join([f"{heading}:", *(f"  {problem}" for problem in problems)])


def hint(name: str, known: Iterable[str]) -> str:
    """The name that was perhaps meant, to be put after a message."""
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {nearest[0]}?)" if nearest else ""
