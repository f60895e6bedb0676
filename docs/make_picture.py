"""Draw docs/results.png, the README's picture: the demo's first images through all stages.

These are the first rows of its report's contact sheet, in few colours. FOLDER is where `make demo`
ran.

    .venv/bin/python docs/make_picture.py [FOLDER]
"""

import os
import sys
from pathlib import Path

from ssenet_core.data.dataset import evenly_spaced
from ssenet_core.data.manifest import load_manifest
from ssenet_core.report.gallery import GalleryItem, contact_sheet, gallery_image

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "results.png"
GALLERY, ROWS = 10, 3  # images of the report, and how many of them are drawn
CHAIN, SPLIT, ALPHA = "ssenet/default/default", "pseudo_eval", 0.2
COLOURS = 255


def main() -> None:
    """Write the picture."""
    os.chdir(sys.argv[1] if len(sys.argv) > 1 else ROOT)  # manifests have paths as seen from there
    results = Path("results") / "shapes"
    cam, affinity, _ = CHAIN.split("/")
    folders = {
        "maps_dir": results / "cam" / cam / "maps" / "train",
        "refined_dir": results / "cam" / cam / "affinity_labels" / "train",
        "pseudo_dir": results / "affinity" / cam / affinity / "pseudo_labels" / "train",
        "prediction_dir": results / "deeplab" / CHAIN / "predictions" / "gallery",
    }
    manifest = load_manifest(results / "manifest" / f"{SPLIT}.json")
    classes = ["background", *manifest.classes]
    ids = evenly_spaced([record.id for record in manifest.images], GALLERY)[:ROWS]
    items = [GalleryItem(name, SPLIT, cam, ALPHA, **folders) for name in ids]
    images = [gallery_image(item, manifest) for item in items]
    sheet = contact_sheet(images, classes, "The synthetic dataset, through all stages")
    half = sheet.resize((sheet.width * 2 // 3, sheet.height * 2 // 3))
    half.quantize(COLOURS).save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
