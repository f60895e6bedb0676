"""Photographs of a phone's kind, through the whole workflow, to masks of the photographs' sizes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workflow_tree import Tree, copy_tree

from ssenet_core.data.manifest import load_manifest
from ssenet_core.io.images import read_label_png

pytestmark = pytest.mark.workflow

WORKING_SIZE = 48


def as_a_phone_has_them(photos: Path) -> dict[str, tuple[int, int]]:
    """Enlarge a dataset's photographs, turn some, give all sorts of suffixes.

    Returns:
        Width and height of each as a viewer shows it, by id.
    """
    exif = Image.Exif()
    exif[0x0112] = 6
    sizes = {}
    for number, path in enumerate(sorted((photos / "JPEGImages").glob("*.jpg"))):
        with Image.open(path) as image:
            large = image.resize((160, 120))
        mask = photos / "SegmentationClass" / f"{path.stem}.png"
        with Image.open(mask) as labels:
            labels.resize((160, 120), Image.Resampling.NEAREST).save(mask)
        path.unlink()
        suffix = (".JPG", ".jpeg", ".png", ".webp", ".tif")[number % 5]
        turned = number % 3 == 0
        stored = large.transpose(Image.Transpose.ROTATE_90) if turned else large
        options = {"exif": exif} if turned else {}
        form = {".JPG": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF"}.get(suffix, suffix[1:])
        stored.save(path.with_suffix(suffix), format=form.upper(), **options)
        sizes[path.stem] = large.size
    return sizes


def test_all_kinds_of_photographs_become_masks_of_their_sizes(tmp_path: Path) -> None:
    tree: Tree = copy_tree(tmp_path / "tree")
    sizes = as_a_phone_has_them(tree.path / "photos")
    config = (
        "--config",
        f"dataset={{working_size: {WORKING_SIZE}}}",
        *("run={cams: [ssenet]}", "compute={shards: 1}"),
    )
    run = tree.snakemake(*config, "--", "all", "masks")
    assert run.returncode == 0, run.stdout[-8000:]
    for split, folder in (
        ("train", "affinity/ssenet/default"),
        ("val", "deeplab/ssenet/default/default"),
    ):
        for record in load_manifest(tree.results / "manifest" / f"{split}.json").images:
            assert (record.width, record.height) == (48, 36)
            mask = tree.results / folder / "masks" / split / f"{record.id}.png"
            labels = read_label_png(mask)
            assert labels.shape[::-1] == sizes[record.id]
            assert set(np.unique(labels)) <= {0, 1, 2}
    # The same command again finds everything done; another size makes everything anew.
    change = {
        "dataset": {"working_size": WORKING_SIZE},
        "run": {"cams": ["ssenet"]},
        "compute": {"shards": 1},
    }
    assert tree.stale(change, "--", "all", "masks") == {}
    assert "train_cam" in tree.stale(change | {"dataset": {"working_size": 40}})
    for photograph in (tree.path / "photos" / "JPEGImages").iterdir():
        photograph.touch()
    assert tree.stale(change, "--", "all", "masks") == {}
