"""Tags from a CSV file: `image,tags`, tags separated by blanks or by semicolons.

In: the file. Out: each image's tags as names; an image whose cell is empty has none of the classes.
What is wrong with single rows is kept as text for the manifest, which lists it with everything
else; `SSENetError` is for a file that is no table.
"""

import csv
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ssenet_core.data.layout import id_problem, read_text, shortened
from ssenet_core.errors import SSENetError


@dataclass(frozen=True)
class TagTable:
    """A tags file: tags by image id in the file's order, and what is wrong with its rows.

    An image with an empty tuple has none of the classes; of one without a row nothing is said.
    """

    path: str
    rows: dict[str, tuple[str, ...]]
    problems: tuple[str, ...]


def parse_tags(text: str) -> tuple[str, ...]:
    """Names in a cell, without repeats.

    With a semicolon anywhere, semicolons separate and names may hold blanks (`potted plant; dog`,
    `potted plant;`); else blanks separate.
    """
    names = text.split(";") if ";" in text else text.split()
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def read_tag_table(path: str | Path, image_suffix: str = ".jpg") -> TagTable:
    """Read a tags file; the images' file names may stand for their ids.

    Args:
        path: CSV with the columns `image` and `tags`, with commas, semicolons or tabs between them;
            other columns are left alone, and so are rows without anything in them.
        image_suffix: dropped from the end of an image's name.

    Raises:
        SSENetError: no such file, not UTF-8, not CSV, or a column is missing.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as error:
        raise SSENetError(f"{path}: no such tags file ({error})") from error
    return _read(str(path), image_suffix, status.st_mtime_ns, status.st_size)


def _separator(text: str) -> str:
    """What stands between the columns: in some countries spreadsheets write no comma there."""
    first = text.partition("\n")[0]
    return next((mark for mark in ",;\t" if mark in first), ",")


# Workflows ask for one shard's rows at a time; time and size tell whether the file changed.
@lru_cache(maxsize=8)
def _read(path: str, image_suffix: str, _modified: int, _size: int) -> TagTable:
    text = read_text(path)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=_separator(text))
    rows: dict[str, tuple[str, ...]] = {}
    problems = []
    try:
        columns = [name.strip().lower() for name in reader.fieldnames or []]
        if not columns.count("image") == columns.count("tags") == 1:
            raise SSENetError(
                f"{path}: expected the columns image,tags in the first line, "
                f"found {shortened(','.join(columns))}"
            )
        reader.fieldnames = columns
        for row in reader:
            where = f"{path}: line {reader.line_num}"
            if None not in row and not any((cell or "").strip() for cell in row.values()):
                continue  # as spreadsheets leave them at the end
            if None in row or None in row.values():
                hint = (
                    "separate tags by blanks or semicolons"
                    if None in row
                    else "an image with none of the classes has a cell with nothing in it"
                )
                problems.append(f"{where}: expected {len(columns)} cells; {hint}")
                continue
            image_id = row["image"].strip().removesuffix(image_suffix)
            problem = id_problem(image_id)
            if problem is not None:
                shown = shortened(row["image"])
                hint = "; leave the folder out" if "/" in image_id else ""
                problems.append(f"{where}: {shown} is not an image id: {problem}{hint}")
            elif image_id in rows:
                problems.append(f"{where}: image {image_id} has a row already")
            else:
                rows[image_id] = parse_tags(row["tags"])
    except csv.Error as error:
        raise SSENetError(f"{path}: line {reader.line_num}: not CSV ({error})") from error
    return TagTable(path, rows, tuple(problems))
