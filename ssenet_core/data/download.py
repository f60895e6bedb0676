"""Download of the public data and weights that a configuration needs and that are not on disk.

Files and folders get their names when they are whole. Raises `SSENetError` that lists what could
not be had: the address, what was expected, what to do.
"""

import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from pathlib import Path
from tarfile import TarError
from tempfile import TemporaryDirectory

from scipy.io import loadmat
from scipy.io.matlab import MatReadError
from torch.hub import download_url_to_file
from torchvision.datasets.utils import extract_archive

from ssenet_core.data.dataset import (
    AUG,
    IMAGES,
    LISTS,
    TRAIN_AUG,
    missing_voc2012,
    read_list,
    voc2012_root,
)
from ssenet_core.errors import SSENetError, listing, some_of
from ssenet_core.io.files import write_text
from ssenet_core.io.images import write_label_png
from ssenet_core.jobs import progress
from ssenet_core.models.catalogue import initial_weights_file, weights_file
from ssenet_core.models.mxnet import convert_resnet38
from ssenet_core.settings import Settings, Source

RESNET38_PARAMS = "ilsvrc-cls_rna-a1_cls1000_ep-0001.params"
SBD_MASKS = "benchmark_RELEASE/dataset/cls"

# What the readers of archives and MATLAB files raise over another content than theirs.
UNREADABLE = (
    *(OSError, EOFError, LookupError, ValueError, RuntimeError),
    *(TarError, zlib.error, MatReadError),
)


def download(settings: Settings) -> list[Path]:
    """Download what the configuration needs and is not on disk.

    Args:
        settings: the whole configuration.

    Returns:
        The folders and files that are new.

    Raises:
        SSENetError: all that could not be had; what could is there.
    """
    data, weights = missing_voc2012(settings), _missing_weights(settings)
    steps: list[Callable[[], None]] = [partial(_complete_voc2012, settings, data)]
    steps += [partial(_bring_weights, settings, file) for file in weights]
    problems = []
    for step in steps:
        try:
            step()
        except SSENetError as error:
            problems.append(str(error))
    if problems:
        raise SSENetError(listing("the download is not complete", problems))
    return data + weights


def _complete_voc2012(settings: Settings, missing: Sequence[Path]) -> None:
    """Add what VOC 2012 lacks: its archive's files, the masks of SBD, the list `train_aug`."""
    root, sources = voc2012_root(settings), settings.download
    if root / IMAGES in missing:
        archive = "VOCtrainval_11-May-2012.tar"
        with _unpacked(sources.voc2012, "download.voc2012", archive, root.parent) as folder:
            (folder / "VOCdevkit" / "VOC2012").replace(root)
    if root / AUG in missing:
        with _unpacked(sources.sbd, "download.sbd", "benchmark.tgz", root) as folder:
            _gather_masks(root, folder).replace(root / AUG)
    if root / TRAIN_AUG in missing:
        _list_train_aug(root)


def _gather_masks(root: Path, unpacked: Path) -> Path:
    """Make a folder in `unpacked` of VOC's masks and of SBD's for all other images.

    Where both have a mask it is VOC's, which has a void border and is what scores are measured on.
    """
    target = unpacked / AUG
    target.mkdir()
    for split in ("train", "val"):
        for image_id in read_list(root / LISTS / f"{split}.txt"):
            shutil.copyfile(
                root / "SegmentationClass" / f"{image_id}.png", target / f"{image_id}.png"
            )
    files = sorted((unpacked / SBD_MASKS).glob("*.mat"))
    if not files:
        raise FileNotFoundError(f"it has no masks {SBD_MASKS}/*.mat")
    for file in progress(files, total=len(files), description="masks of SBD"):
        mask = target / f"{file.stem}.png"
        if not mask.exists():
            write_label_png(mask, loadmat(file)["GTcls"]["Segmentation"][0, 0])
    return target


def _list_train_aug(root: Path) -> None:
    """List the images with a mask in `SegmentationClassAug`, those of VOC's `val` left out.

    With the masks of VOC and SBD these are 10,582: SBD has masks of many images of `val`.

    Raises:
        SSENetError: images of VOC's `train` have no mask there.
    """
    masks = {path.stem for path in (root / AUG).glob("*.png")}
    train, val = (set(read_list(root / LISTS / f"{split}.txt")) for split in ("train", "val"))
    if missing := sorted(train - masks):
        raise SSENetError(
            f"{root / AUG}: expected a mask of each image of VOC's train, {len(missing)} lack one "
            f"({some_of(missing)}); add them, or remove the folder and download again"
        )
    write_text(root / TRAIN_AUG, "".join(f"{name}\n" for name in sorted(masks - val)))


def _missing_weights(settings: Settings) -> list[Path]:
    """Files of initial weights that variants name and that are not on disk."""
    files = {
        initial_weights_file(variant.backbone, settings.download.folder)
        for section in (settings.cam, settings.affinity, settings.deeplab)
        for variant in section.variants.values()
    }
    return [Path(file) for file in sorted(filter(None, files)) if not Path(file).exists()]


def _bring_weights(settings: Settings, file: Path) -> None:
    """Download a file of initial weights; ResNet-38's is converted from MXNet's file."""
    folder = Path(settings.download.folder) / "weights"
    if file != Path(weights_file("resnet38", folder)):
        _fetch_weights(settings, file, folder)
        return
    params = folder / RESNET38_PARAMS
    if not params.exists():
        _fetch_weights(settings, params, folder)
    convert_resnet38(params, file)


def _fetch_weights(settings: Settings, file: Path, folder: Path) -> None:
    known = settings.download.weights if file.parent == folder else {}
    _fetch(known.get(file.name), f"download.weights[{file.name}]", file)


def _fetch(source: Source | None, key: str, target: Path) -> None:
    """Download one file, whole and with the right checksum, or raise `SSENetError`.

    Args:
        source: its address and its checksum, or None where the configuration has none.
        key: the place of `source` in the configuration.
        target: the file.
    """
    if source is None or not source.url or not source.sha256:
        raise SSENetError(
            f"{target}: no such file, and {key} has no url with a sha256; put the file there, or "
            "set both"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(source.url, str(target), source.sha256)
    except (OSError, RuntimeError, ValueError, HTTPException) as error:
        raise SSENetError(
            f"{source.url}: cannot download it as {target} ({error}); try again, or set "
            f"{key}.url to another address of the same file"
        ) from error


@contextmanager
def _unpacked(source: Source, key: str, archive: str, beside: Path) -> Iterator[Path]:
    """Yield a temporary folder in `beside` that holds an archive's files; it goes in any case.

    Args:
        source: where the archive comes from, as in `_fetch`.
        key: the place of `source` in the configuration.
        archive: its name, by whose suffix it is read.
        beside: a folder on the file system where the files are to stay.
    """
    try:
        beside.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".download-", dir=beside) as name:
            path = Path(name) / archive
            _fetch(source, key, path)
            extract_archive(path, name, remove_finished=True)
            yield Path(name)
    except UNREADABLE as error:
        raise SSENetError(
            f"{source.url}: expected {archive}, cannot take its files into {beside} ({error}); "
            f"make room, or set {key} to that archive"
        ) from error
