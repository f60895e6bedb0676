"""Reading of image-level labels (tags) from tables, COCO and VOC annotations and folders' names.

Raises `SSENetError` for a file that is no table or no annotation, for a table that could mean two
things, and for tags that are no classes; faults of single rows of a table are kept with it.
"""

import ast
import csv
import difflib
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

from ssenet_core.data.originals import PHOTOGRAPH_SUFFIXES, image_id
from ssenet_core.errors import SSENetError, shown, some_of
from ssenet_core.io.files import id_problem, read_text

# Headings of the columns, the first that a table has counts.
IMAGE_COLUMNS = (
    *("image", "images", "filename", "file_name", "file", "path", "name", "id", "image_id"),
)
TAG_COLUMNS = ("tags", "labels", "classes", "tag", "label", "class", "category", "categories")
MARKS = (";", "|", ",")  # that separate names in a cell; without any, blanks do
YES, NO = {"1", "1.0", "true", "yes", "y", "x"}, {"0", "0.0", "false", "no", "n", ""}


@dataclass(frozen=True)
class TagTable:
    """A table of tags: tags by image id in the file's order, and what is wrong with its rows.

    An image with an empty tuple has none of the classes; of one without a row nothing is known.

    Attributes:
        path: of the file.
        rows: tags by image id.
        problems: a line each.
        form: how the table was understood, in words.
    """

    path: str
    rows: dict[str, tuple[str, ...]]
    problems: tuple[str, ...]
    form: str = ""


@dataclass(frozen=True)
class _Row:
    """A line of a table: the image's name as it is written, and its cells by heading."""

    line: int
    image: str
    cells: Mapping[str, str]


def read_tag_table(path: str | Path) -> TagTable:
    """Read a table of tags, in any of the forms that people have them in.

    One row an image, with a cell of names separated by blanks, commas, semicolons or bars, or a
    list as Python or JSON write it; one row a tag; or a column of 0 and 1 a class. Columns stand
    apart by commas, semicolons or tabs; other columns and rows without anything are ignored. An
    image is named by its id, its file or its path below the folder of the photographs.

    Args:
        path: of the table.

    Raises:
        SSENetError: no such file, not UTF-8, not CSV, a column is missing, or the table could mean
            two things; then both are named.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as error:
        raise SSENetError(f"{path}: no such tags file ({error})") from error
    return _read_table(str(path), status.st_mtime_ns, status.st_size)


# Workflows ask for one shard's rows at a time; time and size tell whether the file changed.
@lru_cache(maxsize=8)
def _read_table(path: str, _modified: int, _size: int) -> TagTable:
    reader = _csv_reader(path, read_text(path))
    try:
        image, tags = _columns(path, reader)
        rows, problems = _plain_rows(path, reader, image)
    except csv.Error as error:
        raise SSENetError(f"{path}: line {reader.line_num}: not CSV ({error})") from error
    if tags is None:
        classes = _class_columns(path, rows, [n for n in reader.fieldnames or [] if n != image])
        form = f"a column of 0 and 1 a class ({len(classes)})"
        found = [tuple(n for n in classes if row.cells[n].lower() in YES) for row in rows]
        return _collected(path, rows, found, problems, form, several=False)
    texts = [row.cells[tags] for row in rows]
    several = _is_row_a_tag(path, rows, texts)
    found, form = _split_cells(path, rows, texts, whole=several)
    return _collected(path, rows, found, problems, form, several=several)


def _csv_reader(path: str, text: str) -> "csv.DictReader[str]":
    """Rows by column; in some countries spreadsheets write no comma between the columns."""
    first = text.partition("\n")[0]
    separator = next((mark for mark in ",;\t" if mark in first), ",")
    return csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=separator)


def _columns(path: str, reader: "csv.DictReader[str]") -> tuple[str, str | None]:
    """Headings of the image's and the tags' column; None for a table with a column a class."""
    names = [name.strip() for name in reader.fieldnames or []]
    small = [name.lower() for name in names]
    image = next((name for name in IMAGE_COLUMNS if name in small), None)
    repeated = any(count > 1 for name, count in Counter(small).items() if name)
    if image is None or len(names) < 2 or repeated:
        raise SSENetError(
            f"{path}: expected the columns image,tags in the first line, or image and a column of "
            f"0 and 1 a class, found {shown(','.join(names))}"
        )
    found = [name for name in TAG_COLUMNS if name in small and name != image]
    if len(found) > 1 and found[0] != "tags":
        raise SSENetError(
            f"{path}: the tags may be in the column {' or '.join(found)}; call the right one tags"
        )
    # Classes keep their names' capitals, other headings do not.
    known = {image, *found}
    reader.fieldnames = [
        low if low in known else name for low, name in zip(small, names, strict=True)
    ]
    return image, found[0] if found else None


def _plain_rows(
    path: str, reader: "csv.DictReader[str]", image: str
) -> tuple[list[_Row], list[str]]:
    """The rows with something in them, and what is wrong with others."""
    rows, problems = [], []
    columns = len(reader.fieldnames or [])
    for cells in reader:
        if None not in cells and not any((cell or "").strip() for cell in cells.values()):
            continue  # as spreadsheets leave them at the end
        if problem := _row_problem(cells, columns, image):
            problems.append(f"{path}: line {reader.line_num}: {problem}")
        else:
            texts = {name: cell.strip() for name, cell in cells.items()}
            rows.append(_Row(reader.line_num, texts[image], texts))
    return rows, problems


def _row_problem(cells: Mapping[str | None, str | None], columns: int, image: str) -> str | None:
    """What is wrong with a row, if anything is. `csv` puts cells too many under the key None."""
    if None in cells:
        return f"expected {columns} cells; separate tags by blanks or semicolons, or quote the cell"
    if None in cells.values():
        hint = "an image with none of the classes has a cell with nothing in it"
        return f"expected {columns} cells; {hint}"
    if problem := id_problem(table_id(cells[image] or "")):
        return f"{shown(cells[image])} is not an image id: {problem}"
    return None


def table_id(name: str) -> str:
    """The id of an image by what a table calls it: an id, a file's name or a path."""
    path = Path(name.strip().replace("\\", "/"))
    if not path.name or ".." in path.parts:
        return name
    if path.is_absolute():
        path = Path(path.name)
    known = path.suffix.lower() in PHOTOGRAPH_SUFFIXES
    return image_id(path if known else path.with_name(f"{path.name}.jpg"))


def _class_columns(path: str, rows: Sequence[_Row], names: Sequence[str]) -> list[str]:
    """The columns of 0 and 1; those without any such cell are none."""
    classes, problems = [], []
    for name in names:
        strange = [row for row in rows if row.cells[name].lower() not in YES | NO]
        marked = sum(row.cells[name].lower() in YES | NO - {""} for row in rows)
        if not strange:
            classes.append(name)
        elif marked:
            row = strange[0]
            problems.append(f"column {name}, line {row.line}: {shown(row.cells[name])}")
    if problems or not classes or not rows:
        found = f"found {some_of(problems)}" if problems else f"found the columns {some_of(names)}"
        raise SSENetError(
            f"{path}: expected a column tags with names, or a column of 0 and 1 for each class; "
            f"{found}"
        )
    return classes


def _is_row_a_tag(path: str, rows: Sequence[_Row], texts: Sequence[str]) -> bool:
    """Whether an image's tags stand in rows of their own: images are repeated, and cells single."""
    counts = Counter(table_id(row.image) for row in rows)
    if not any(count > 1 for count in counts.values()):
        return False
    if any(mark in text for text in texts for mark in MARKS):
        return False  # one row an image, some of them twice: the rows' problem
    single = {text for text in texts if " " not in text}
    for row, text in zip(rows, texts, strict=True):
        words = text.split()
        if len(words) > 1 and single & set(words):
            twice = next(image for image, count in counts.items() if count > 1)
            raise SSENetError(
                f"{path}: it could mean two things. One row a tag: then {shown(text)} in line "
                f"{row.line} is one class. One row an image: then {twice} must not have "
                f"{counts[twice]} rows. Separate several tags by semicolons, or use a row each"
            )
    return True


def _split_cells(
    path: str, rows: Sequence[_Row], texts: Sequence[str], *, whole: bool
) -> tuple[list[tuple[str, ...]], str]:
    """The names in each cell, and in words how they were told apart.

    Args:
        path: of the table.
        rows: of the cells.
        texts: the cells.
        whole: each cell is one name.
    """
    if whole:
        return [(text,) if text else () for text in texts], "one row a tag"
    if any(text.startswith("[") for text in texts):
        lists = [_as_list(path, row, text) for row, text in zip(rows, texts, strict=True)]
        return lists, "one row an image, tags as lists"
    marks = [mark for mark in MARKS if any(mark in text for text in texts)]
    if len(marks) > 1:
        examples = [next(text for text in texts if mark in text) for mark in marks]
        raise SSENetError(
            f"{path}: it could mean two things: tags are separated by {marks[0]!r}, as in "
            f"{shown(examples[0])}, or by {marks[1]!r}, as in {shown(examples[1])}; use one mark"
        )
    mark = marks[0] if marks else None
    found = [_names(text.split(mark)) for text in texts]
    if mark:
        _refuse_two_readings(path, rows, found, mark)
    separated = f"separated by {mark!r}" if mark else "separated by blanks"
    return found, f"one row an image, tags {separated}"


def _as_list(path: str, row: _Row, text: str) -> tuple[str, ...]:
    """A cell such as ['cat', "dog"], as Python or JSON write a list; an empty cell is no tag."""
    if not text:
        return ()
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        found = None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise SSENetError(
            f"{path}: line {row.line}: expected a list of names, as in other rows, "
            f"found {shown(text)}"
        )
    return _names(found)


def _names(parts: Iterable[str]) -> tuple[str, ...]:
    """Names without repeats."""
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _refuse_two_readings(
    path: str, rows: Sequence[_Row], found: Sequence[tuple[str, ...]], mark: str
) -> None:
    """Raise where a name with blanks may be several names that other cells have by themselves."""
    known = {name for names in found for name in names}
    for row, names in zip(rows, found, strict=True):
        for name in names:
            words = name.split()
            if len(words) > 1 and set(words) <= known:
                raise SSENetError(
                    f"{path}: line {row.line} could mean two things: {shown(name)} is one class, "
                    f"or the classes {' and '.join(words)}; put {mark!r} between several tags"
                )


def _collected(
    path: str,
    rows: Sequence[_Row],
    found: Sequence[tuple[str, ...]],
    problems: Sequence[str],
    form: str,
    *,
    several: bool,
) -> TagTable:
    """The table; an image may have several rows if each has one of its tags."""
    tags: dict[str, tuple[str, ...]] = {}
    faults = list(problems)
    for row, names in zip(rows, found, strict=True):
        image = table_id(row.image)
        if image not in tags:
            tags[image] = names
        elif several and tags[image] and names:
            tags[image] = _names([*tags[image], *names])
        elif several:
            faults.append(
                f"{path}: line {row.line}: image {image} has a row with a tag and one without any"
            )
        else:
            faults.append(f"{path}: line {row.line}: image {image} has a row already")
    return TagTable(path, tags, tuple(faults), form)


def tags_from_coco(path: str | Path) -> TagTable:
    """The categories of each image's annotations in a COCO file.

    Raises:
        SSENetError: it cannot be read, or has no images, annotations and categories.
    """
    try:
        content = json.loads(read_text(path))
        names = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
        images = {entry["id"]: table_id(str(entry["file_name"])) for entry in content["images"]}
        rows: dict[str, tuple[str, ...]] = dict.fromkeys(images.values(), ())
        for entry in content["annotations"]:
            image = images[entry["image_id"]]
            rows[image] = _names([*rows[image], names[entry["category_id"]]])
    except (ValueError, KeyError, TypeError) as error:
        raise SSENetError(
            f"{path}: expected COCO's images, annotations and categories, cannot read it "
            f"({error!r})"
        ) from error
    return TagTable(str(path), rows, (), "COCO annotations")


def tags_from_folders(photographs: Mapping[str, Sequence[Path]], folder: str | Path) -> TagTable:
    """The name of the subfolder that each photograph is in.

    Args:
        photographs: by id, as `photographs_in` finds them.
        folder: that they were found in.
    """
    rows: dict[str, tuple[str, ...]] = {}
    problems = []
    for image, files in photographs.items():
        inside = files[0].relative_to(folder).parts
        if len(inside) < 2:
            problems.append(f"{files[0]}: it is in no folder that names a class")
        else:
            rows[image] = (inside[0],)
    return TagTable(str(folder), rows, tuple(problems), "names of folders")


def tags_from_annotations(folder: str | Path) -> TagTable:
    """The objects of each VOC annotation, `{image}.xml`, in a folder; errors as `tags_from_xml`."""
    rows = {path.stem: tags_from_xml(path) for path in sorted(Path(folder).glob("*.xml"))}
    return TagTable(str(folder), rows, (), "VOC annotations")


def tags_from_xml(path: str | Path) -> tuple[str, ...]:
    """Names of a VOC annotation's objects, `difficult` ones included, without repeats.

    Raises:
        SSENetError: not a VOC annotation.
    """
    try:
        annotation = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise SSENetError(f"{path}: expected a VOC annotation, cannot read it ({error})") from error
    if annotation.tag != "annotation":
        raise SSENetError(f"{path}: expected a VOC <annotation>, found <{annotation.tag}>")
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
