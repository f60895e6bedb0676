"""The contact sheet: images as rows, stages as columns, class colours as a legend below.

In: gallery images. Out: one RGB picture.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from ssenet_core.io.images import VOID
from ssenet_core.pictures import THUMBNAIL, class_colour
from ssenet_core.report.gallery import GalleryImage, Panel

COLUMNS = ("Photo", "Truth", "CAM", "CAM labels", "CAM + CRF", "Random walk", "DeepLab")
CELL = THUMBNAIL
GAP = 8
LINE = 20  # height of a line of text
SWATCH = 14
FONT_SIZE = 14
INK = (29, 33, 38)
FAINT = (120, 126, 134)
PAPER = (255, 255, 255)


def contact_sheet(
    images: Sequence[GalleryImage], classes: Sequence[str], title: str
) -> Image.Image:
    """Lay out all images on one sheet; a cell is left blank where a stage has nothing.

    Args:
        images: rows of the sheet; none gives a sheet that says so.
        classes: names, background first.
        title: heading.
    """
    columns = [name for name in COLUMNS if any(_cell_panels(image, name) for image in images)]
    width = max(len(columns), 3) * (CELL + GAP) + GAP
    heights = [_row_height(image) for image in images]
    legend = _legend_rows(classes, width)
    top = 2 * LINE + 2 * GAP
    height = top + sum(heights) + len(legend) * LINE + 2 * GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = text_font(FONT_SIZE)
    draw.text((GAP, GAP), title if images else f"{title}: no images", INK, font)
    for i, name in enumerate(columns):
        draw.text((GAP + i * (CELL + GAP), GAP + LINE), name, INK, font)
    y = top
    for image, row_height in zip(images, heights, strict=True):
        draw.text((GAP, y), f"{image.id} ({image.split}): {image.tagged}", FAINT, font)
        for i, name in enumerate(columns):
            _draw_cell(sheet, draw, font, image, name, (GAP + i * (CELL + GAP), y + LINE))
        y += row_height
    for line in legend:
        for x, label, name in line:
            draw.rectangle((x, y + 2, x + SWATCH, y + 2 + SWATCH), class_colour(label), FAINT)
            draw.text((x + SWATCH + 6, y), name, INK, font)
        y += LINE
    return sheet


def text_font(size: int) -> ImageFont.FreeTypeFont:
    """A font with the letters of Europe; Pillow's own has those of English alone."""
    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _cell_panels(image: GalleryImage, column: str) -> list[Panel]:
    return [panel for panel in image.panels if panel.column == column]


def _row_height(image: GalleryImage) -> int:
    tallest = max(panel.picture.height for panel in image.panels)
    return LINE + tallest + LINE + GAP


def _draw_cell(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont,
    image: GalleryImage,
    column: str,
    corner: tuple[int, int],
) -> None:
    """Draw a stage's panels side by side in one cell (several tagged classes: several CAMs)."""
    panels = _cell_panels(image, column)
    x, y = corner
    for panel in panels:
        picture = panel.picture.convert("RGB")
        if len(panels) > 1:
            picture.thumbnail((CELL // len(panels) - 2, picture.height))
        sheet.paste(picture, (x, y))
        caption = panel.caption.removeprefix("CAM of ") if column == "CAM" else ""
        if panel.iou is not None:
            caption = f"IoU {panel.iou:.0f}"
        draw.text((x, y + picture.height + 1), caption, FAINT, font)
        x += CELL // len(panels)


def _legend_rows(classes: Sequence[str], width: int) -> list[list[tuple[int, int, str]]]:
    """Lines of (x, label, name) that fit the width."""
    font = text_font(FONT_SIZE)
    rows: list[list[tuple[int, int, str]]] = [[]]
    x = GAP
    for label, name in [*enumerate(classes), (VOID, "void (not judged)")]:
        needed = SWATCH + 6 + int(font.getlength(name)) + 2 * GAP
        if x + needed > width and rows[-1]:
            rows.append([])
            x = GAP
        rows[-1].append((x, label, name))
        x += needed
    return rows
