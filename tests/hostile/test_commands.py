"""`ssenet predict` and `ssenet convert` among hostile files: one message, nothing elsewhere."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import COUNTS, OUTCOMES, damaged, many, written
from samples import COLOURS, PHOTOGRAPHS, encoded, png
from test_weights import PARAMS
from tiny_deeplab import write_checkpoint

from ssenet_core.cli import main

BAD = {
    "bomb.png": png(60_000, 60_000, 8, 2, bytes(99)),
    "postscript.jpg": encoded(COLOURS, "EPS"),
    "cut.jpg": PHOTOGRAPHS["baseline.jpg"][:300],
    "nothing.png": b"",
    "text.jpg": b"no picture",
}
GOOD = {
    "-rf.png": PHOTOGRAPHS["alpha.png"],
    "a\nb\x1b.png": PHOTOGRAPHS["palette.png"],
    "a...jpg": PHOTOGRAPHS["cmyk.jpg"],
    "$(id);`id`.png": png(1, 1, 16, 0, b"\0\0\0"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_checkpoint(tmp_path_factory.mktemp("network") / "model.pt"))


def test_predict_writes_in_its_folder_alone(model: str, tmp_path: Path, capsys) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for name, content in {**BAD, **GOOD}.items():
        (photos / name).write_bytes(content)
    (photos / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(photos / "pipe.jpg")
    before = sorted(tmp_path.rglob("*"))
    options = ["--out", str(out), "--scales", "1", "--no-flip", "--no-crf"]
    assert main(["predict", "--model", model, *options, str(photos)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {len(BAD)} of {len(BAD) + len(GOOD)} photographs")
    assert all(name in error for name in BAD)
    assert (
        sorted(path for path in tmp_path.rglob("*") if out not in [path, *path.parents]) == before
    )
    masks = {f"{Path(name).stem}.png" for name in GOOD}
    assert {path.name for path in out.rglob("*.*")} == {"areas.json", *masks}


@pytest.mark.parametrize("place", ["/dev/zero", "pipe", "."])
def test_predict_does_not_wait_for_an_end(
    model: str, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    assert main(["predict", "--model", model, "--out", "out", place]) == 1
    assert capsys.readouterr().err.startswith("error: ")


@many
@given(st.one_of(damaged(PARAMS["mxnet.params"]), st.binary(max_size=99)))
def test_convert_writes_nothing_of_a_damaged_file(folder: Path, content: bytes) -> None:
    path = written(folder / "w.params", content)
    target = path.with_name("w.safetensors")
    target.unlink(missing_ok=True)  # of an example that used the folder before
    status = main(["convert", str(path), str(target)])
    COUNTS["ssenet convert", OUTCOMES[1 if status == 1 else 2]] += 1
    assert status == 1
    assert not target.exists()
