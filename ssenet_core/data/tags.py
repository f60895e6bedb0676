"""Reading of image-level labels (tags) from tables and from VOC annotations.

Raises `SSENetError` for a file that is no table or no annotation, and for tags that are no classes;
faults of single rows of a table are kept with it.
"""

import csv
import difflib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.etree.ElementTree import ParseError

from ssenet_core.errors import SSENetError, shown
from ssenet_core.io.files import id_problem, read_text

LARGEST_ANNOTATION = 1 << 24  # bytes; VOC's have a few thousand, and read they take 30 times more


@dataclass(frozen=True)
class TagTable:
    """A table of tags: tags by image id in the file's order, and what is wrong with its rows.

    An image with an empty tuple has none of the classes; of one without a row nothing is known.
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
    """Read a table of tags; the images' file names may stand for their ids.

    Args:
        path: CSV with the columns `image` and `tags`, with commas, semicolons or tabs between them;
            other columns are ignored, and so are rows without anything in them.
        image_suffix: dropped from the end of an image's name.

    Raises:
        SSENetError: no such file, not UTF-8, not CSV, or a column is missing.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as error:
        raise SSENetError(f"{path}: no such tags file ({error})") from error
    return _read_table(str(path), image_suffix, status.st_mtime_ns, status.st_size)


# Workflows ask for one shard's rows at a time; time and size tell whether the file changed.
@lru_cache(maxsize=8)
def _read_table(path: str, image_suffix: str, _modified: int, _size: int) -> TagTable:
    reader = _csv_reader(path, read_text(path))
    rows: dict[str, tuple[str, ...]] = {}
    problems = []
    try:
        columns = _columns(path, reader)
        for row in reader:
            if None not in row and not any((cell or "").strip() for cell in row.values()):
                continue  # as spreadsheets leave them at the end
            image_id = (row["image"] or "").strip().removesuffix(image_suffix)
            if problem := _row_problem(row, columns, image_id, rows):
                problems.append(f"{path}: line {reader.line_num}: {problem}")
            else:
                rows[image_id] = parse_tags(row["tags"])
    except csv.Error as error:
        raise SSENetError(f"{path}: line {reader.line_num}: not CSV ({error})") from error
    return TagTable(path, rows, tuple(problems))


def _csv_reader(path: str, text: str) -> "csv.DictReader[str]":
    """Rows by column; in some countries spreadsheets write no comma between the columns."""
    first = text.partition("\n")[0]
    separator = next((mark for mark in ",;\t" if mark in first), ",")
    return csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=separator)


def _columns(path: str, reader: "csv.DictReader[str]") -> int:
    """Number of columns; their names are put in small letters."""
    names = [name.strip().lower() for name in reader.fieldnames or []]
    if not names.count("image") == names.count("tags") == 1:
        raise SSENetError(
            f"{path}: expected the columns image,tags in the first line, "
            f"found {shown(','.join(names))}"
        )
    reader.fieldnames = names
    return len(names)


def _row_problem(
    row: Mapping[str | None, str | None], columns: int, image_id: str, known: Mapping[str, object]
) -> str | None:
    """What is wrong with a row, if anything is. `csv` puts cells too many under the key None."""
    if None in row:
        return f"expected {columns} cells; separate tags by blanks or semicolons"
    if None in row.values():
        hint = "an image with none of the classes has a cell with nothing in it"
        return f"expected {columns} cells; {hint}"
    if problem := id_problem(image_id):
        hint = "; leave the folder out" if "/" in image_id else ""
        return f"{shown(row['image'])} is not an image id: {problem}{hint}"
    return f"image {image_id} has a row already" if image_id in known else None


def tags_from_xml(path: str | Path) -> tuple[str, ...]:
    """Names of a VOC annotation's objects, `difficult` ones included, without repeats.

    Raises:
        SSENetError: not a VOC annotation, or XML that defines entities.
    """
    # Not at the top: a machine that only trains reads manifests, and may lack it.
    from defusedxml import DefusedXmlException
    from defusedxml import ElementTree as SafeElementTree

    try:
        if (size := Path(path).stat().st_size) > LARGEST_ANNOTATION:
            raise ValueError(f"it has {size} bytes, more than {LARGEST_ANNOTATION}")
        annotation = SafeElementTree.parse(path).getroot()
    except (OSError, ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise SSENetError(f"{path}: expected a VOC annotation, cannot read it ({error})") from error
    if annotation is None or annotation.tag != "annotation":
        found = None if annotation is None else annotation.tag
        raise SSENetError(f"{path}: expected a VOC <annotation>, found <{found}>")
    names = [(item.findtext("name") or "").strip() for item in annotation.findall("object")]
    if "" in names:
        raise SSENetError(f"{path}: an <object> has no <name>")
    return tuple(dict.fromkeys(names))


def label_values(names: tuple[str, ...], classes: Mapping[str, int], where: str) -> tuple[int, ...]:
    """Label values of class names, ascending; `SSENetError` lists the names that are no classes."""
    unknown = [name for name in names if name not in classes]
    if unknown:
        near = difflib.get_close_matches(unknown[0], classes, n=1)
        hint = f"; is it {near[0]}?" if near else f"; there are {shown(', '.join(classes))}"
        raise SSENetError(
            f"{where}: not in the list of classes: {', '.join(map(repr, unknown))}{hint}"
        )
    return tuple(sorted({classes[name] for name in names}))
