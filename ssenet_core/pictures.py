"""Overlays of labels and class maps on photographs, thumbnails, and sheets of captioned pictures.

Labels have VOC's colours (`storage.label_picture` draws them alone), maps those of `HEAT` or of the
caller's choice.
"""

from collections.abc import Callable, Iterable, Sequence
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
    lines: list[tuple[str, list[list[View]]]] = []
    for heading, views in rows:
        if columns:
            cells = [[view for view in views if view.stage == name] for name in columns]
            lines.append((heading, cells))
            continue
        for start in range(0, len(views), ACROSS):
            chosen = [[view] for view in views[start : start + ACROSS]]
            lines.append(("" if start else heading, chosen))
    shown = [view for _, cells in lines for views in cells for view in views]
    cell = max([THUMBNAIL, *(view.picture.width for view in shown)])
    across = max([len(columns), *(len(cells) for _, cells in lines)])
    sheet = _Sheet(max(across * (cell + GAP), 3 * (THUMBNAIL + GAP)) + GAP)
    whole = sheet.width - 2 * GAP
    if title:
        sheet.write(GAP, title, whole, size=TITLE_SIZE)
        sheet.y += LINE + 4
    if facts:
        sheet.write(GAP, facts, whole)
        sheet.y += LINE
    for place, name in enumerate(columns):
        sheet.write(GAP + place * (cell + GAP), name, cell)
    sheet.y += LINE * bool(columns) + 2 * GAP
    for heading, cells in lines:
        if heading:
            sheet.paste(GAP, Image.new("RGB", (whole, 1), FAINT), above=3)
            sheet.write(GAP, heading, whole)
            sheet.y += LINE
        sheet.add_cells(cells, cell, titled=not columns)
    if legend:
        sheet.add_legend(legend, maps=any(view.stage == "CAM" for view in shown))
    return sheet.draw()


class _Sheet:
    """Texts and pictures with their places; the height is known when all have one.

    Attributes:
        width: of the sheet, in pixels.
        y: where the next thing goes, in pixels from the top.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.y = GAP
        self._pictures: list[tuple[int, int, Image.Image]] = []
        self._texts: list[tuple[int, int, str, tuple[int, int, int], int]] = []

    def write(
        self,
        x: int,
        text: str,
        width: int,
        ink: tuple[int, int, int] = INK,
        size: int = FONT_SIZE,
    ) -> None:
        """Place a text, or as much of its beginning as the width holds."""
        font = text_font(size)
        if font.getlength(text) > width:
            while text and font.getlength(f"{text}…") > width:
                text = text[:-1]
            text = f"{text}…"
        self._texts.append((x, self.y, text, ink, size))

    def paste(self, x: int, picture: Image.Image, above: int = 0) -> None:
        """Place a picture, `above` pixels higher than what else goes here."""
        self._pictures.append((x, self.y - above, picture.convert("RGB")))

    def add_cells(self, cells: Sequence[Sequence[View]], cell: int, *, titled: bool) -> None:
        """Add a line of cells; several pictures in one cell are made smaller."""
        top = bottom = self.y
        for place, views in enumerate(cells):
            width = cell // max(1, len(views))
            for number, view in enumerate(views):
                left = GAP + place * (cell + GAP) + number * width
                self.y = top
                if titled:
                    self.write(left, view.title, width)
                    self.y += LINE
                picture = view.picture.convert("RGB")
                if len(views) > 1:
                    picture.thumbnail((width - 2, picture.height))
                self.paste(left, picture)
                self.y += picture.height
                for note in view.notes:
                    self.write(left, note, width, FAINT)
                    self.y += LINE
                bottom = max(bottom, self.y)
        self.y = bottom + GAP

    def add_legend(self, legend: Sequence[tuple[int, str]], *, maps: bool) -> None:
        """Add the labels' colours with their names, and below them the colours of maps."""
        font = text_font(FONT_SIZE)
        x = GAP
        for label, name in legend:
            needed = SWATCH + 6 + int(font.getlength(name)) + 2 * GAP
            if x > GAP and x + needed > self.width:
                x = GAP
                self.y += LINE
            inner = Image.new("RGB", (SWATCH - 1, SWATCH - 1), class_colour(label))
            self.paste(x, ImageOps.expand(inner, 1, FAINT), above=-2)
            self.write(x + SWATCH + 6, name, self.width)
            x += needed
        self.y += LINE
        if maps:
            self._add_heat_bar()
        self.y += 2 * GAP

    def _add_heat_bar(self) -> None:
        bar = np.broadcast_to(np.linspace(0, 1, HEAT_BAR), (SWATCH, HEAT_BAR))
        left = GAP + int(text_font(FONT_SIZE).getlength("map: 0")) + 6
        self.write(GAP, "map: 0", self.width)
        self.paste(left, Image.fromarray(np.rint(255 * HEAT(bar)[..., :3]).astype(np.uint8)), -3)
        self.write(left + HEAT_BAR + 6, "1", self.width)
        self.y += LINE

    def draw(self) -> Image.Image:
        """The sheet as a picture."""
        sheet = Image.new("RGB", (self.width, self.y + GAP), PAPER)
        for x, y, picture in self._pictures:
            sheet.paste(picture, (x, y))
        pen = ImageDraw.Draw(sheet)
        for x, y, text, ink, size in self._texts:
            pen.text((x, y), text, ink, text_font(size))
        return sheet


@cache
def text_font(size: int) -> ImageFont.FreeTypeFont:
    """A font with the letters of Europe; Pillow's own has those of English alone."""
    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
