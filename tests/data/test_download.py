"""Downloads from a server on loopback end whole under their names, or in one error and nothing."""

import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from file_server import FileServer, serving
from voc_archives import MORE, TRAIN, VAL, labels_of, packed, sbd_archive, voc_archive, voc_overlay

from ssenet_core.config import read_configuration
from ssenet_core.data import download as module
from ssenet_core.data.download import RESNET38_PARAMS, download
from ssenet_core.data.layout import read_list
from ssenet_core.data.voc2012 import missing_voc2012
from ssenet_core.errors import SSENetError
from ssenet_core.io.images import read_label_png

FILES = {"/voc.tar": voc_archive(), "/sbd.tgz": sbd_archive(), "/net.pth": b"tensors"}
VOC, WEIGHTS = Path("data/VOC2012"), Path("data/weights/net.pth")
MASKS, TRAIN_AUG = VOC / "SegmentationClassAug", VOC / "ImageSets/Segmentation/train_aug.txt"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.chdir(tmp_path)
    with serving(dict(FILES)) as state:
        yield state


@pytest.fixture
def config(server: FileServer) -> dict[str, Any]:
    Path("voc.yaml").write_text(yaml.safe_dump(voc_overlay(server.address, FILES)))
    return read_configuration(["voc.yaml"])


def refused(config: dict[str, Any]) -> str:
    with pytest.raises(SSENetError) as caught:
        download(config)
    assert not leftovers()
    return str(caught.value)


def leftovers() -> list[Path]:
    return [path for path in Path("data").rglob("*") if path.match(".*") or path.match("*.partial")]


def test_all_that_is_needed_comes_once(config: dict[str, Any], server: FileServer) -> None:
    config["download"]["folder"] = "./data/"
    assert download(config) == [VOC / "JPEGImages", MASKS, TRAIN_AUG, WEIGHTS]
    assert WEIGHTS.read_bytes() == FILES["/net.pth"]
    assert read_list(VOC / "ImageSets/Segmentation/train.txt") == TRAIN
    assert (VOC / "Annotations" / f"{MORE[0]}.xml").is_file()
    assert read_list(TRAIN_AUG) == sorted([*TRAIN, *MORE])  # SBD has a mask of val's image, too
    assert not leftovers()
    assert download(config) == []
    assert sorted(server.asked) == sorted(FILES)


def test_voc_masks_come_first_and_those_of_sbd_are_kept(config: dict[str, Any]) -> None:
    download(config)
    assert sorted(path.stem for path in MASKS.iterdir()) == sorted([*TRAIN, *VAL, *MORE])
    for name in (*TRAIN, *VAL):
        np.testing.assert_array_equal(read_label_png(MASKS / f"{name}.png"), labels_of(1, 255))
    for name in MORE:
        np.testing.assert_array_equal(read_label_png(MASKS / f"{name}.png"), labels_of(2))


def test_other_data_are_not_downloaded(config: dict[str, Any], server: FileServer) -> None:
    for change in (
        {"source": "shapes", "root": None},
        {"root": "data/other"},
        {"list_dir": "lists"},
    ):
        other = {**config, "dataset": {**config["dataset"], **change}}
        assert missing_voc2012(other) == []
    plain = deepcopy(config)
    plain["dataset"].update(mask_dir="SegmentationClass", lists={"train": "train"})
    download(plain)
    assert "/sbd.tgz" not in server.asked
    assert not MASKS.exists()


def test_what_is_there_is_kept(config: dict[str, Any], server: FileServer) -> None:
    download(config)
    VOC.rename("kept")
    VOC.symlink_to(Path("kept").absolute())
    (MASKS / f"{MORE[0]}.png").unlink()
    TRAIN_AUG.unlink()
    server.asked.clear()
    assert download(config) == [TRAIN_AUG]
    assert read_list(TRAIN_AUG) == sorted([*TRAIN, MORE[1]])
    for mask in MASKS.iterdir():
        mask.unlink()
    MASKS.rmdir()
    download(config)
    assert server.asked == ["/sbd.tgz"]
    assert (MASKS / f"{MORE[0]}.png").is_file()


def test_masks_that_lack_some_of_train_make_no_list(config: dict[str, Any]) -> None:
    download(config)
    (MASKS / f"{TRAIN[0]}.png").unlink()
    TRAIN_AUG.unlink()
    assert f"1 lack one ({TRAIN[0]})" in refused(config)
    assert not TRAIN_AUG.exists()


def test_a_wrong_checksum_is_refused_and_the_rest_comes(
    config: dict[str, Any], server: FileServer
) -> None:
    server.files["/sbd.tgz"] = sbd_archive(MORE)
    told = refused(config)
    for words in (f"{server.address}/sbd.tgz: ", config["download"]["sbd"]["sha256"], "try again"):
        assert words in told
    assert not MASKS.exists()
    assert not TRAIN_AUG.exists()
    assert WEIGHTS.is_file()
    server.files["/sbd.tgz"] = FILES["/sbd.tgz"]
    download(config)
    assert sorted(server.asked) == sorted([*FILES, "/sbd.tgz"])


@pytest.mark.parametrize(("path", "file"), [("/voc.tar", VOC), ("/net.pth", WEIGHTS)])
def test_a_broken_off_download_leaves_nothing(
    config: dict[str, Any], server: FileServer, path: str, file: Path
) -> None:
    server.cuts[path] = 5
    assert f"{server.address}{path}: cannot download it" in refused(config)
    assert not file.exists()
    server.cuts.clear()
    download(config)
    assert file.exists()


def test_an_interrupted_unpacking_leaves_nothing(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(archive: Path, folder: str, remove_finished: bool) -> None:
        (Path(folder) / "VOCdevkit/VOC2012/JPEGImages").mkdir(parents=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "extract_archive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            download(config)
    assert not list(Path("data").rglob("*"))
    download(config)
    assert (VOC / "JPEGImages" / f"{MORE[0]}.jpg").is_file()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/voc.tar", b"no archive"),
        ("/voc.tar", FILES["/voc.tar"][:9000]),
        ("/voc.tar", packed({"a": b"b"})),
        ("/sbd.tgz", FILES["/sbd.tgz"][:300]),
        ("/sbd.tgz", packed({"a": b"b"}, "w:gz")),
        ("/sbd.tgz", packed({f"{module.SBD_MASKS}/a.mat": bytes(500)}, "w:gz")),
    ],
    ids=["text", "cut", "others", "cut gz", "no masks", "no mask"],
)
def test_another_archive_is_refused(server: FileServer, path: str, content: bytes) -> None:
    server.files[path] = content
    Path("voc.yaml").write_text(yaml.safe_dump(voc_overlay(server.address, server.files)))
    assert f"{server.address}{path}: expected " in refused(read_configuration(["voc.yaml"]))
    assert not (VOC if path == "/voc.tar" else MASKS).exists()


def test_what_cannot_be_reached_is_said_in_one_error(
    config: dict[str, Any], server: FileServer
) -> None:
    del server.files["/net.pth"]
    config["download"]["voc2012"]["url"] = "http://127.0.0.1:9/voc.tar"
    told = refused(config)
    assert "127.0.0.1:9/voc.tar: cannot download it" in told
    assert "set download.voc2012.url" in told
    assert "/net.pth: cannot download it as data/weights/net.pth (HTTP Error 404" in told


def test_weights_without_an_address_are_asked_for(config: dict[str, Any]) -> None:
    backbone = config["cam"]["defaults"]["backbone"]
    for weights, file in (
        ("imagenet", f"data/weights/{RESNET38_PARAMS}"),
        ("elsewhere/net.pth", "elsewhere/net.pth"),
    ):
        backbone["weights"] = weights
        assert f"{file}: no such file" in refused(config)
    config["download"]["weights"]["net.pth"]["sha256"] = None
    backbone["weights"] = str(WEIGHTS)
    assert "put the file there" in refused(config)
    assert not WEIGHTS.exists()


def test_the_published_file_of_resnet38_is_converted(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "convert_resnet38", os.replace)
    params = Path("data/weights") / RESNET38_PARAMS
    params.parent.mkdir(parents=True)
    params.write_bytes(b"arrays")
    config["cam"]["defaults"]["backbone"]["weights"] = "imagenet"
    file = Path("data/weights/resnet38_imagenet.safetensors")
    assert file in download(config)
    assert file.read_bytes() == b"arrays"
