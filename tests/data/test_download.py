"""Downloads from a server on loopback end whole under their names, or in one error and nothing."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from file_server import FileServer, serving
from voc_archives import MORE, TRAIN, VAL, labels_of, packed, sbd_archive, voc_archive, voc_overlay

from ssenet_core.data import download as module
from ssenet_core.data.dataset import missing_voc2012, read_list
from ssenet_core.data.download import RESNET38_PARAMS, download
from ssenet_core.errors import SSENetError
from ssenet_core.io.images import read_label_png
from ssenet_core.settings import Settings, merged, read_configuration

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
def settings(server: FileServer) -> Settings:
    return configured(server)


def configured(
    server: FileServer, change: Mapping[str, Any] | None = None, files: Mapping[str, bytes] = FILES
) -> Settings:
    """Settings of VOC 2012 from a server, with a change laid over them.

    Args:
        files: whose checksums the settings have.
    """
    overlay = merged(voc_overlay(server.address, files), change or {})
    Path("voc.yaml").write_text(yaml.safe_dump(overlay))
    return read_configuration(["voc.yaml"])


def initial_weights(file: str | Path) -> dict[str, Any]:
    """A change that has CAM networks start from `file`, with ResNet-38 in its full width."""
    change: dict[str, Any] = {
        section: {"defaults": {"backbone": {"width": 1.0}}}
        for section in ("cam", "affinity", "deeplab")
    }
    change["cam"]["defaults"]["backbone"]["weights"] = str(file)
    return change


def refused(settings: Settings) -> str:
    with pytest.raises(SSENetError) as caught:
        download(settings)
    assert not leftovers()
    return str(caught.value)


def leftovers() -> list[Path]:
    return [path for path in Path("data").rglob("*") if path.match(".*") or path.match("*.partial")]


def test_all_that_is_needed_comes_once(server: FileServer) -> None:
    settings = configured(server, {"download": {"folder": "./data/"}})
    assert download(settings) == [VOC / "JPEGImages", MASKS, TRAIN_AUG, WEIGHTS]
    assert WEIGHTS.read_bytes() == FILES["/net.pth"]
    assert read_list(VOC / "ImageSets/Segmentation/train.txt") == TRAIN
    assert (VOC / "Annotations" / f"{MORE[0]}.xml").is_file()
    assert read_list(TRAIN_AUG) == sorted([*TRAIN, *MORE])  # SBD has a mask of val's image, too
    assert not leftovers()
    assert download(settings) == []
    assert sorted(server.asked) == sorted(FILES)


def test_voc_masks_come_first_and_those_of_sbd_are_kept(settings: Settings) -> None:
    download(settings)
    assert sorted(path.stem for path in MASKS.iterdir()) == sorted([*TRAIN, *VAL, *MORE])
    for name in (*TRAIN, *VAL):
        np.testing.assert_array_equal(read_label_png(MASKS / f"{name}.png"), labels_of(1, 255))
    for name in MORE:
        np.testing.assert_array_equal(read_label_png(MASKS / f"{name}.png"), labels_of(2))


def test_other_data_are_not_downloaded(server: FileServer) -> None:
    for change in (
        {"source": "shapes", "root": None},
        {"root": "data/other"},
        {"list_dir": "lists"},
    ):
        assert missing_voc2012(configured(server, {"dataset": change})) == []
    plain = {"mask_dir": "SegmentationClass", "lists": {"train": "train"}}
    download(configured(server, {"dataset": plain}))
    assert "/sbd.tgz" not in server.asked
    assert not MASKS.exists()


def test_what_is_there_is_kept(settings: Settings, server: FileServer) -> None:
    download(settings)
    VOC.rename("kept")
    VOC.symlink_to(Path("kept").absolute())
    (MASKS / f"{MORE[0]}.png").unlink()
    TRAIN_AUG.unlink()
    server.asked.clear()
    assert download(settings) == [TRAIN_AUG]
    assert read_list(TRAIN_AUG) == sorted([*TRAIN, MORE[1]])
    for mask in MASKS.iterdir():
        mask.unlink()
    MASKS.rmdir()
    download(settings)
    assert server.asked == ["/sbd.tgz"]
    assert (MASKS / f"{MORE[0]}.png").is_file()


def test_masks_that_lack_some_of_train_make_no_list(settings: Settings) -> None:
    download(settings)
    (MASKS / f"{TRAIN[0]}.png").unlink()
    TRAIN_AUG.unlink()
    assert f"1 lack one ({TRAIN[0]})" in refused(settings)
    assert not TRAIN_AUG.exists()


def test_a_wrong_checksum_is_refused_and_the_rest_comes(
    settings: Settings, server: FileServer
) -> None:
    server.files["/sbd.tgz"] = sbd_archive(MORE)
    told = refused(settings)
    for words in (f"{server.address}/sbd.tgz: ", settings.download.sbd.sha256, "try again"):
        assert words in told
    assert not MASKS.exists()
    assert not TRAIN_AUG.exists()
    assert WEIGHTS.is_file()
    server.files["/sbd.tgz"] = FILES["/sbd.tgz"]
    download(settings)
    assert sorted(server.asked) == sorted([*FILES, "/sbd.tgz"])


@pytest.mark.parametrize(("path", "file"), [("/voc.tar", VOC), ("/net.pth", WEIGHTS)])
def test_a_broken_off_download_leaves_nothing(
    settings: Settings, server: FileServer, path: str, file: Path
) -> None:
    server.cuts[path] = 5
    assert f"{server.address}{path}: cannot download it" in refused(settings)
    assert not file.exists()
    server.cuts.clear()
    download(settings)
    assert file.exists()


def test_an_interrupted_unpacking_leaves_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(archive: Path, folder: str, remove_finished: bool) -> None:
        (Path(folder) / "VOCdevkit/VOC2012/JPEGImages").mkdir(parents=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "extract_archive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            download(settings)
    assert not list(Path("data").rglob("*"))
    download(settings)
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
    assert f"{server.address}{path}: expected " in refused(configured(server, files=server.files))
    assert not (VOC if path == "/voc.tar" else MASKS).exists()


def test_what_cannot_be_reached_is_said_in_one_error(server: FileServer) -> None:
    del server.files["/net.pth"]
    told = refused(
        configured(server, {"download": {"voc2012": {"url": "http://127.0.0.1:9/voc.tar"}}})
    )
    assert "127.0.0.1:9/voc.tar: cannot download it" in told
    assert "set download.voc2012.url" in told
    assert "/net.pth: cannot download it as data/weights/net.pth (HTTP Error 404" in told


def test_weights_without_an_address_are_asked_for(server: FileServer) -> None:
    for weights, file in (
        ("imagenet", f"data/weights/{RESNET38_PARAMS}"),
        ("elsewhere/net.pth", "elsewhere/net.pth"),
    ):
        assert f"{file}: no such file" in refused(configured(server, initial_weights(weights)))
    unchecked = {"download": {"weights": {"net.pth": {"sha256": None}}}}
    assert "put the file there" in refused(configured(server, unchecked))
    assert not WEIGHTS.exists()


def test_the_published_file_of_resnet38_is_converted(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "convert_resnet38", os.replace)
    params = Path("data/weights") / RESNET38_PARAMS
    params.parent.mkdir(parents=True)
    params.write_bytes(b"arrays")
    file = Path("data/weights/resnet38_imagenet.safetensors")
    assert file in download(configured(server, initial_weights("imagenet")))
    assert file.read_bytes() == b"arrays"
