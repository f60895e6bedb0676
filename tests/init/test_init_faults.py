"""`ssenet init`: the faults that it names, all at once, before anything is written."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from own_photos import failure, make_masks, save

from ssenet_core.cli import main
from ssenet_core.io.images import write_label_png


def test_wrong_places_say_what_was_expected(photos: Path, capsys) -> None:
    assert "there is no such folder" in failure(capsys, "gone", "tags.csv")
    assert "but it is a file" in failure(capsys, "tags.csv", "tags.csv")
    assert "gone.csv: no such tags file" in failure(capsys, photos.name, "gone.csv")
    Path("other.csv").write_text("image,tags\nx,cat\ny,dog\n")
    error = failure(capsys, photos.name, "other.csv")
    assert "none of its 2 images (x, y) is in" in error
    assert "Zoë 0.jpg" in error


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "expected the columns image,tags in the first line"),
        ("image,tags\n", "expected a row a photograph, found none"),
        ("image,tags\nZoë 1,\nZoë 2,\n", "no row has a tag"),
        ("image,tags\nZoë 1,cat\nZoë 2,cat\n", "every training image has 'cat', the only class"),
        ("image,tags\nZoë 1,cat\nZoë 2,background\n", "'background' is no class"),
        ("image:tags\nZoë 1:cat\n", "found 'image:tags'"),
        ("image,tags\nZoë 1,cat\nZoë 2,a/b\n", "'a/b': no class can be called so"),
    ],
)
def test_tables_that_teach_nothing(photos: Path, capsys, table: str, said: str) -> None:
    Path("tags.csv").write_text(table, encoding="utf-8")
    assert said in failure(capsys, photos.name, "tags.csv")


def test_all_faults_are_named_at_once(photos: Path, capsys) -> None:
    whole = (photos / "Zoë 0.jpg").read_bytes()
    (photos / "Zoë 1.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "Zoë 2.jpg").write_text("no image")
    (photos / "Zoë 3.jpg").write_bytes(b"")
    save(photos / "picture.png")
    save(photos / "Zoë 56.jpg")
    (photos / "album").mkdir()
    save(photos / "album" / "inner.jpg")
    (photos / "camera.NEF").write_bytes(b"II*")
    save(photos / "picture.jpg")
    decomposed = unicodedata.normalize("NFD", "Zoë 4")
    (photos / "Zoë 4.jpg").rename(photos / f"{decomposed}.jpg")
    rows = ["Zoë 55,cat", "ZOË 6.JPG,cat", "picture.png,dog", "sub/a.jpg,cat", "Zoë 0,cat", "a,b,c"]
    rows += ["nothing like it,dog", "inner,dog", "camera,dog"]
    with Path("tags.csv").open("a", encoding="utf-8") as file:
        file.write("".join(f"\n{row},me" for row in rows))
    error = failure(capsys, photos.name, "tags.csv")
    for said in (
        "13 problem(s), nothing is written",
        "Zoë 1.jpg: expected a photograph",
        "Zoë 2.jpg: expected a photograph",
        "Zoë 3.jpg: expected a photograph",
        "image Zoë 4: not in the folder; the folder has it in another Unicode form",
        "image Zoë 55: not in the folder; is it Zoë 56?",
        "image camera: not in the folder; camera.NEF is there, whose format is not read",
        "the folder has Zoë 6: write it so in the table",
        "image Zoë 0 has a row already",
        "image inner: not in the folder; album/inner.jpg is there: write its path",
        "picture.jpg and",
        "expected 3 cells",
    ):
        assert said in error
    assert "image nothing like it: not in the folder\n" in error


def test_a_list_that_leaves_nothing_to_compare_with(photos: Path, capsys) -> None:
    rows = [f"Zoë {number},{'' if number < 2 else 'crack'}" for number in range(10)]
    Path("tags.csv").write_text("\n".join(["image,tags", *rows]), encoding="utf-8")
    Path("val.txt").write_text("Zoë 0\nZoë 1\n", encoding="utf-8")
    error = failure(capsys, photos.name, "tags.csv", "--val", "val.txt")
    assert "val.txt: without those photographs, every training image has 'crack'" in error


def test_a_table_without_a_row_that_can_be_used(photos: Path, capsys) -> None:
    Path("tags.csv").write_text("image,tags\nZoë 0,cat,dog\n../Zoë 1.jpg,cat\n", "utf-8")
    error = failure(capsys, photos.name, "tags.csv")
    assert "tags.csv: no row can be used, nothing is written" in error
    assert "line 2: expected 2 cells; separate tags by blanks" in error
    assert "'../Zoë 1.jpg' is not an image id" in error


def test_arguments_in_the_wrong_places(photos: Path, capsys) -> None:
    assert "give the table of tags after the folder" in failure(capsys, photos.name)
    assert "comes first, but it is a file" in failure(capsys, "tags.csv", photos.name)


def test_masks_that_cannot_be_scored(photos: Path, capsys) -> None:
    common = (photos.name, "tags.csv", "--masks")
    assert "there is no such folder" in failure(capsys, *common, "gone")
    Path("empty").mkdir()
    assert "such as Zoë 0.png, found none" in failure(capsys, *common, "empty")
    masks = make_masks(Path("masks"), ["Zoë 0", "Zoë 1", "Zoë 2"], label=9)
    write_label_png(masks / "Zoë 1.png", np.ones((5, 5), np.uint8))
    save(masks / "Zoë 2.png")
    error = failure(capsys, *common, "masks")
    assert "3 bad mask(s)" in error
    for said in ("[9] are outside the 3 classes", "expected the image's size 64x48", "mode RGB"):
        assert said in error
    make_masks(Path("plants"), ["Zoë 0", "Zoë 1", "Zoë 2", "Zoë 3"], label=3)
    error = failure(capsys, *common, "plants")
    assert "3 of 4 masks have classes that the photograph's tags do not name" in error
    assert "1 cat, 2 dog, 3 potted plant; --classes FILE" in error


@pytest.mark.parametrize("name", ["a b", "-a", "ä", "a/b"])
def test_wrong_names_are_named(photos: Path, capsys, name: str) -> None:
    assert "expected letters, digits" in failure(capsys, photos.name, "tags.csv", f"--name={name}")


@pytest.mark.parametrize("share", ["0", "1", "1.5", "-1", "nan"])
def test_wrong_shares_are_named(share: str, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["init", "p", "t", f"--val={share}"])
    assert "expected a share between 0 and 1" in capsys.readouterr().err


def test_masks_of_no_class_are_refused(photos: Path, capsys) -> None:
    make_masks(Path("masks"), [f"Zoë {number}" for number in range(4)], label=255)
    error = failure(capsys, photos.name, "tags.csv", "--masks", "masks")
    assert "4 of 4 masks have none of the classes that the photograph's tags name" in error
    assert "255 is void and not judged. Label values are taken to mean 1 cat, 2 dog" in error
