"""One picture of all that is known of one image: rows of labelled pictures, and a legend.

In: an image with its rows. Out: one RGB picture, or a PNG file of it.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ssenet_core.errors import SSENetError
from ssenet_core.io.images import VOID, write_png
from ssenet_core.pictures import class_colour
from ssenet_core.report.gallery import HEAT, NO_CLASS
from ssenet_core.report.one_image import OneImage, ViewRow
from ssenet_core.report.sheet import (
    CELL,
    FAINT,
    FONT_SIZE,
    GAP,
    INK,
    LINE,
    PAPER,
    SWATCH,
    text_font,
)
from ssenet_core.report.views import View

ACROSS = 7  # pictures side by side at the most
HEAT_BAR = 160  # pixels

Font = ImageFont.FreeTypeFont


def write_one_image(path: str | Path, image: OneImage) -> None:
    """Write the picture of an image as PNG, whole or not at all.

    Raises:
        SSENetError: the file is the photograph or the truth, or cannot be written.
    """
    if Path(path).resolve() in [source.resolve() for source in image.sources]:
        raise SSENetError(f"{path}: it is what the picture is made from; choose another file")
    picture = draw_one_image(image)
    try:
        write_png(path, picture)
    except OSError as error:
        raise SSENetError(f"{path}: cannot write the picture ({error.strerror})") from error


def draw_one_image(image: OneImage) -> Image.Image:
    """Lay out the rows below a heading, the legend last."""
    lines = [
        (row.heading if not start else "", row.views[start : start + ACROSS])
        for row in image.rows
        for start in range(0, len(row.views), ACROSS)
    ]
    across = max(3, *(len(views) for _, views in lines))
    width = across * (CELL + GAP) + GAP
    legend = _legend(image, width)
    heights = [(LINE if heading else 0) + _height(views) for heading, views in lines]
    height = 3 * LINE + 2 * GAP + sum(heights) + (len(legend) + 1) * LINE + 2 * GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    font, large = text_font(FONT_SIZE), text_font(FONT_SIZE + 4)
    draw.text((GAP, GAP), _fitting(image.id, width - 2 * GAP, large), INK, large)
    tags = "unknown" if image.tags is None else ", ".join(image.tags) or NO_CLASS
    facts = f"{image.dataset}, {', '.join(image.splits)}; tags: {tags}"
    draw.text((GAP, GAP + LINE + 4), _fitting(facts, width - 2 * GAP, font), INK, font)
    y = 3 * LINE + GAP
    for (heading, views), line_height in zip(lines, heights, strict=True):
        if heading:
            draw.line((GAP, y - 3, width - GAP, y - 3), FAINT)
            draw.text((GAP, y), heading, INK, font)
        for place, view in enumerate(views):
            corner = (GAP + place * (CELL + GAP), y + (LINE if heading else 0))
            _draw_view(sheet, draw, font, view, corner)
        y += line_height
    _draw_legend(sheet, draw, font, legend, y)
    return sheet


def _height(views: tuple[View, ...]) -> int:
    return max(view.picture.height + LINE * (len(view.notes) + 1) for view in views) + GAP


def _draw_view(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    font: Font,
    view: View,
    corner: tuple[int, int],
) -> None:
    x, y = corner
    draw.text((x, y), _fitting(view.title, CELL, font), INK, font)
    sheet.paste(view.picture.convert("RGB"), (x, y + LINE))
    for number, note in enumerate(view.notes):
        below = y + LINE + view.picture.height + number * LINE
        draw.text((x, below), _fitting(note, CELL, font), FAINT, font)


def _legend(image: OneImage, width: int) -> list[list[tuple[int, int, str]]]:
    """Lines of (x, label, name) that fit the width: the labels that occur somewhere."""
    font = text_font(FONT_SIZE)
    rows: list[list[tuple[int, int, str]]] = [[]]
    x = GAP
    for label, name in _names(image.rows, image.classes):
        needed = SWATCH + 6 + int(font.getlength(name)) + 2 * GAP
        if x + needed > width and rows[-1]:
            rows.append([])
            x = GAP
        rows[-1].append((x, label, name))
        x += needed
    return rows


def _names(rows: tuple[ViewRow, ...], classes: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    shown = {label for row in rows for view in row.views for label in view.labels} | {0}
    for label in sorted(shown):
        yield label, "void, uncertain" if label == VOID else classes[label]


def _draw_legend(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    font: Font,
    legend: list[list[tuple[int, int, str]]],
    y: int,
) -> None:
    """Labels' colours, and below them the colours of a map from 0 to 1."""
    for line in legend:
        for x, label, name in line:
            draw.rectangle((x, y + 2, x + SWATCH, y + 2 + SWATCH), class_colour(label), FAINT)
            draw.text((x + SWATCH + 6, y), name, INK, font)
        y += LINE
    bar = np.broadcast_to(np.linspace(0, 1, HEAT_BAR), (SWATCH, HEAT_BAR))
    colours = np.rint(255 * HEAT(bar)[..., :3]).astype(np.uint8)
    draw.text((GAP, y), "map: 0", INK, font)
    left = GAP + int(font.getlength("map: 0")) + 6
    sheet.paste(Image.fromarray(colours), (left, y + 3))
    draw.text((left + HEAT_BAR + 6, y), "1", INK, font)


def _fitting(text: str, width: int, font: Font) -> str:
    """The text, or as much of its beginning as the width holds."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
