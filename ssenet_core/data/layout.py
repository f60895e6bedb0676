"""List files of a VOC layout: from text to image ids, in both forms that are about.

In: a list file, one image a line, as a bare id (`2007_000032`) or as the paths of image and mask
(`/JPEGImages/2007_000032.jpg /SegmentationClassAug/2007_000032.png`). Out: ids in the file's order,
repeats kept. Fails with `SSENetError` that lists every line that is neither, and every id that
cannot be part of a file's name.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from stat import S_ISREG

from ssenet_core.errors import SSENetError

SHOWN = 3  # names of a long list in a message that is not about each of them
LONGEST_ID = 200  # bytes: a file's name holds 255, and ids get suffixes and temporary prefixes
LONGEST_SHOWN = 80  # characters of a line in a message
_PATH_VARIABLE = re.compile("<[a-z][a-z0-9_]*>")
_PATHS = re.compile(
    r"/(?P<folder>[^/]+)/(?P<id>[^/]+)\.(?:jpg|jpeg|png)(?:\s+/[^/]+/(?P<mask>[^/]+)\.png)?",
    re.IGNORECASE,
)


def id_problem(image_id: str) -> str | None:
    """Why `image_id` cannot name files, or None when it can.

    Blanks, dots, leading dashes and letters of any script are fine. Separators, `..`, characters
    that cannot be printed, and what Snakemake fills in (`{name}` and `<name>`) are not.
    """
    if not image_id or image_id != image_id.strip():
        return "it is empty or has blanks around it"
    if image_id in {".", ".."} or "/" in image_id or "\\" in image_id:
        return "an id is a file's name without its folder and suffix"
    if not image_id.isprintable():
        return "it has characters that cannot be printed"
    if "{" in image_id or "}" in image_id:
        return "braces are wildcards to Snakemake"
    if _PATH_VARIABLE.search(image_id):
        return "a name in angle brackets is a path variable to Snakemake"
    if len(image_id.encode()) > LONGEST_ID:
        return f"it is longer than {LONGEST_ID} bytes"
    return None


def parse_line(line: str, image_folder: str = "JPEGImages") -> str:
    """The image id of one line of a list file.

    Args:
        line: a bare id, or paths of the image and, after a blank, of its mask.
        image_folder: the folder that a path may name, besides `JPEGImages`.

    Raises:
        ValueError: the line is neither, or its id cannot name files; the text says why.
    """
    entry = line.strip()
    if entry.startswith("/"):
        match = _PATHS.fullmatch(entry)
        if match is None or match["folder"] not in {"JPEGImages", image_folder}:
            raise ValueError("expected an id or '/JPEGImages/id.jpg /SegmentationClass/id.png'")
        if match["mask"] not in {None, match["id"]}:
            raise ValueError("the image and the mask have different ids")
        entry = match["id"]
    problem = id_problem(entry)
    if problem is not None:
        raise ValueError(problem)
    return entry


def read_list(path: str | Path, image_folder: str = "JPEGImages") -> list[str]:
    """The ids of a list file in its order, repeats included; blank lines are skipped.

    Raises:
        SSENetError: the file cannot be read, or lines are wrong (every one is listed).
    """
    ids, problems = [], []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            ids.append(parse_line(line, image_folder))
        except ValueError as error:
            problems.append(f"line {number}, {shortened(line.strip())}: {error}")
    if problems:
        raise SSENetError(listing(f"{path}: {len(problems)} line(s) are not image ids", problems))
    return ids


def read_text(path: str | Path) -> str:
    """A text file's content; `SSENetError` by name when it is missing or not UTF-8."""
    try:
        if not S_ISREG(Path(path).stat().st_mode):
            raise OSError("it is no plain file")  # a pipe's end may never come
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise SSENetError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise SSENetError(
            f"{path}: expected a text file in UTF-8, cannot read it ({error}); "
            "a spreadsheet saves one as 'CSV UTF-8'"
        ) from error


def shortened(text: str) -> str:
    """Text in quotes for a message, its end left out where it is long."""
    cut = text[:LONGEST_SHOWN]
    return repr(cut) if cut == text else f"{cut!r}..."


def listing(heading: str, problems: list[str]) -> str:
    """A heading with its problems below, one a line."""
    return "\n".join([f"{heading}:", *(f"  {problem}" for problem in problems)])


def some_of(names: Sequence[str]) -> str:
    """The first of some names, for a message that is not about each of them."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def unique(ids: list[str]) -> list[str]:
    """`ids` without repeats, in their order."""
    return list(dict.fromkeys(ids))
