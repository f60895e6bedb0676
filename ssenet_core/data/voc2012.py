"""PASCAL VOC 2012 on disk: fetched and unpacked, or a copy that is there checked; its longer list.

In: the address of the archive. Out: the dataset's folder with a record in it, written last, that it
is whole; `train_aug.txt`. Fails with `SSENetError` that lists what a folder lacks.
"""

from pathlib import Path

from ssenet_core.data.archive import extract_into, is_filled, new_folder
from ssenet_core.data.download import fetch
from ssenet_core.data.layout import listing, read_list
from ssenet_core.errors import SSENetError
from ssenet_core.settings import Source
from ssenet_core.storage import write_json, write_text

RECORD = ".complete.json"
FOLDER_IN_ARCHIVE = "VOCdevkit/VOC2012"
LISTS = Path("ImageSets/Segmentation")
SHOWN = 20  # problems of one folder; a wrong folder has thousands


def fetch_voc2012(*, source: Source, archive: str | Path, root: str | Path) -> None:
    """Have the trainval images, masks, annotations and lists in `root`, and a record that they are.

    Args:
        source: `download.voc2012` of the configuration.
        archive: where the archive is kept, or lies already.
        root: the dataset's folder. One that is there is checked, not fetched again.

    Raises:
        SSENetError: as `download` and `extract`; or the folder that is there is not whole.
    """
    root = Path(root)
    if not is_filled(root):
        fetch(source, archive, key="download.voc2012")
        with new_folder(root) as part:
            extract_into(archive, part, FOLDER_IN_ARCHIVE)
            check_voc(part)
            write_json(part / RECORD, {"from": str(archive)})
        return
    check_voc(root)
    write_json(root / RECORD, {"from": "found here"})


def check_voc(root: Path) -> None:
    """Refuse a folder that lacks a list, or an image or mask of the lists `train` and `val`."""
    problems = [
        f"{path}: missing"
        for split in ("train", "val")
        for image_id in read_list(root / LISTS / f"{split}.txt")
        for path in (f"JPEGImages/{image_id}.jpg", f"SegmentationClass/{image_id}.png")
        if not (root / path).is_file()
    ]
    refuse(root, problems, "not a whole VOC 2012; complete it, or move it away to have it fetched")


def refuse(folder: Path, problems: list[str], what: str) -> None:
    """Raise an error that lists the problems of a folder, if there are any."""
    if problems:
        shown = problems[:SHOWN]
        if len(problems) > SHOWN:
            shown.append(f"and {len(problems) - SHOWN} more")
        raise SSENetError(listing(f"{folder}: {what}", shown))


def write_train_aug(root: str | Path, output: str | Path) -> None:
    """List every image with a mask in `SegmentationClassAug`, those of `val` left out.

    Where the masks are those of VOC and of the Semantic Boundaries Dataset, these are 10,582: the
    training images of the first, and all of the second, which has many of VOC's `val`.

    Raises:
        SSENetError: an image is missing, or images of VOC's `train` have no mask there.
    """
    root = Path(root)
    masks = {path.stem for path in (root / "SegmentationClassAug").glob("*.png")}
    train, val = (set(read_list(root / LISTS / f"{split}.txt")) for split in ("train", "val"))
    ids = sorted(masks - val)
    problems = [f"SegmentationClassAug/{name}.png: missing" for name in sorted(train - masks)]
    problems += [
        f"JPEGImages/{name}.jpg: missing"
        for name in ids
        if not (root / "JPEGImages" / f"{name}.jpg").is_file()
    ]
    refuse(root, problems, "train_aug cannot be listed")
    write_text(output, "".join(f"{name}\n" for name in ids))
