"""Overlays of labels and class maps on photographs, thumbnails, and sheets of captioned pictures.

Labels have VOC's colours (`io.images.label_picture` draws them alone), maps those of `HEAT` or of
the caller's choice.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, get_data_path
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from ssenet_core.io.images import voc_palette

THUMBNAIL = 240  # pixels, the longer side
HEAT = colormaps["inferno"]
ACROSS = 7  # pictures side by side on a sheet without columns, at the most
GAP = 8  # pixels
LINE = 20  # height of a line of text
SWATCH = 14
HEAT_BAR = 160  # width of the legend's colour bar
FONT_SIZE, TITLE_SIZE = 14, 18
INK = (29, 33, 38)
FAINT = (120, 126, 134)
PAPER = (255, 255, 255)

# Of values (H, W) in [0, 1], colours (H, W, 3 or more) in [0, 1], as matplotlib's colour maps are.
Colours = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class View:
    """One picture of an image, and what there is to say of it.

    Attributes:
        stage: the column that it stands in.
        title: what it shows, in words.
        picture: a thumbnail.
        notes: what there is to say of it, line by line.
        large: what is shown when the picture is enlarged; None: the thumbnail.
        labels: values in the picture, where it is labels.
        iou: percent, mean over the foreground classes of the truth or the labels, as a thing that
            is outlined well shall not be marked down because all around it is void; None where
            there is no truth.
    """

    stage: str
    title: str
    picture: Image.Image
    notes: tuple[str, ...] = ()
    large: Image.Image | None = None
    labels: tuple[int, ...] = ()
    iou: float | None = None


def class_colour(label: int) -> tuple[int, int, int]:
    """A label's colour in VOC's palette: red, green and blue, 0 to 255."""
    red, green, blue = voc_palette()[3 * label : 3 * label + 3]
    return red, green, blue


def label_overlay(photograph: Image.Image, labels: NDArray[np.uint8]) -> Image.Image:
    """An RGB photograph with its labels' colours mixed in by half, the background left as it is.

    Args:
        photograph: RGB, (H, W).
        labels: (H, W).
    """
    pixels = np.array(photograph)
    colours = np.frombuffer(voc_palette(), dtype=np.uint8).reshape(256, 3)
    here = labels > 0
    pixels[here] = (pixels[here].astype(np.uint16) + colours[labels[here]]) // 2
    return Image.fromarray(pixels)


def heat_overlay(
    photograph: Image.Image,
    heat: NDArray[np.float32],
    share: float | NDArray[Any],
    colours: Colours = HEAT,
) -> Image.Image:
    """A map in colours, laid over its photograph; where it is not known, the photograph alone.

    Args:
        photograph: of any mode, (H, W).
        heat: the map, (H, W) in [0, 1]; NaN where it is not known.
        share: of the colours in the mixture, 0 to 1: one number, or one a pixel, (H, W).
        colours: of the map's values.

    Returns:
        RGB, (H, W).
    """
    known = np.isfinite(heat)
    opacity = np.where(known, share, 0)[..., None]
    shades = 255 * colours(np.where(known, heat, 0))[..., :3]
    mixed = (1 - opacity) * np.asarray(photograph.convert("RGB")) + opacity * shades
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def thumbnail(picture: Image.Image, size: int = THUMBNAIL) -> Image.Image:
    """A picture of at most `size` pixels a side; small ones grow by a whole factor to be seen.

    Labels do not mix: an indexed picture is resized by the nearest pixel.
    """
    longer = max(picture.size)
    scale = size / longer if longer > size else size // longer
    width, height = (max(1, round(side * scale)) for side in picture.size)
    nearest = picture.mode == "P"
    resampling = Image.Resampling.NEAREST if nearest else Image.Resampling.LANCZOS
    return picture.resize((width, height), resampling)


def picture_sheet(
    rows: Iterable[tuple[str, Sequence[View]]],
    *,
    title: str = "",
    facts: str = "",
    columns: Sequence[str] = (),
    legend: Sequence[tuple[int, str]] = (),
) -> Image.Image:
    """Lay out pictures in rows, each row's heading above it, as one RGB picture.

    Args:
        rows: heading and pictures of each row.
        title: of the sheet.
        facts: a line below the title.
        columns: stages that have a column each; the pictures of one stage share its cell. Without
            columns a row's pictures follow each other, titled one by one, over several lines where
            there are more than `ACROSS`.
        legend: labels and their names, explained by their colours below the rows; where the stage
            of a picture is "CAM", the colours of maps from 0 to 1 follow.
    """
    lines = list(_lines(rows, columns))
    shown = [view for _, cells in lines for views in cells for view in views]
    cell = max([THUMBNAIL, *(view.picture.width for view in shown)])
    across = max([len(columns), *(len(cells) for _, cells in lines)])
    width = max(across * (cell + GAP), 3 * (THUMBNAIL + GAP)) - GAP
    parts = [_text(title, width, size=TITLE_SIZE, height=LINE + 4)] if title else []
    parts += [_text(facts, width)] if facts else []
    parts += [_beside([_text(name, cell) for name in columns], cell + GAP)] if columns else []
    parts.append(_space(GAP))
    for heading, cells in lines:
        rule = Image.new("RGB", (width, 1), FAINT)
        above = [_space(GAP - 3), rule, _space(2), _text(heading, width)]
        parts += above if heading else [_space(GAP)]
        pictures = [_cell(views, cell, titled=not columns) for views in cells]
        parts.append(_beside(pictures, cell + GAP))
    parts.append(_space(GAP))
    if legend:
        maps = any(view.stage == "CAM" for view in shown)
        parts += [*_legend(legend, width, maps=maps), _space(2 * GAP)]
    content = _stacked(parts)
    sheet = Image.new("RGB", (width + 2 * GAP, content.height + 2 * GAP), PAPER)
    sheet.paste(content, (GAP, GAP))
    return sheet


def _lines(
    rows: Iterable[tuple[str, Sequence[View]]], columns: Sequence[str]
) -> Iterator[tuple[str, list[list[View]]]]:
    """Yield the heading, empty where a row goes on, and the cells of each line of a sheet."""
    for heading, views in rows:
        if columns:
            yield heading, [[view for view in views if view.stage == name] for name in columns]
            continue
        for start in range(0, len(views), ACROSS):
            chosen = [[view] for view in views[start : start + ACROSS]]
            yield "" if start else heading, chosen


def _cell(views: Sequence[View], cell: int, *, titled: bool) -> Image.Image:
    """The pictures of a cell with their notes; several are made smaller to fit."""
    width = cell // max(1, len(views))
    parts = []
    for view in views:
        picture = view.picture.convert("RGB")
        if len(views) > 1:
            picture.thumbnail((width - 2, picture.height))
        title = [_text(view.title, width)] if titled else []
        notes = [_text(note, width, FAINT) for note in view.notes]
        parts.append(_stacked([*title, picture, *notes]))
    return _beside(parts, width)


def _legend(legend: Sequence[tuple[int, str]], width: int, *, maps: bool) -> Iterator[Image.Image]:
    """Lines of the labels' colours with their names; the last explains the colours of maps."""
    line, x = Image.new("RGB", (width, LINE), PAPER), 0
    for label, name in legend:
        length = int(text_font(FONT_SIZE).getlength(name))
        needed = SWATCH + 6 + length + 2 * GAP
        if x and x + needed > width + GAP:
            yield line
            line, x = Image.new("RGB", (width, LINE), PAPER), 0
        inner = Image.new("RGB", (SWATCH - 1, SWATCH - 1), class_colour(label))
        line.paste(ImageOps.expand(inner, 1, FAINT), (x, 2))
        line.paste(_text(name, min(width, length + 1)), (x + SWATCH + 6, 0))
        x += needed
    yield line
    if maps:
        bar = np.broadcast_to(np.linspace(0, 1, HEAT_BAR), (SWATCH, HEAT_BAR))
        colours = Image.fromarray(np.rint(255 * HEAT(bar)[..., :3]).astype(np.uint8))
        left = int(text_font(FONT_SIZE).getlength("map: 0")) + 6
        line = _text("map: 0", width)
        line.paste(colours, (left, 3))
        line.paste(_text("1", GAP * 2), (left + HEAT_BAR + 6, 0))
        yield line


def _text(
    text: str,
    width: int,
    ink: tuple[int, int, int] = INK,
    size: int = FONT_SIZE,
    height: int = LINE,
) -> Image.Image:
    """A line of text, or as much of its beginning as the width (pixels) holds."""
    font = text_font(size)
    if font.getlength(text) > width:
        while text and font.getlength(f"{text}…") > width:
            text = text[:-1]
        text = f"{text}…"
    line = Image.new("RGB", (width, height), PAPER)
    ImageDraw.Draw(line).text((0, 0), text, ink, font)
    return line


def _space(height: int) -> Image.Image:
    return Image.new("RGB", (1, height), PAPER)


def _stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures below each other."""
    size = max(picture.width for picture in pictures), sum(picture.height for picture in pictures)
    sheet, y = Image.new("RGB", size, PAPER), 0
    for picture in pictures:
        sheet.paste(picture, (0, y))
        y += picture.height
    return sheet


def _beside(pictures: Sequence[Image.Image], step: int) -> Image.Image:
    """Pictures side by side, their left edges `step` pixels apart."""
    height = max((picture.height for picture in pictures), default=0)
    sheet = Image.new("RGB", (max(1, step * len(pictures)), height), PAPER)
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (place * step, 0))
    return sheet


@cache
def text_font(size: int) -> ImageFont.FreeTypeFont:
    """A font with the letters of Europe; Pillow's own has those of English alone."""
    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
