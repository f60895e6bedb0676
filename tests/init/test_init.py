"""`ssenet init`: the configuration that it writes, and what it says."""

import json
from pathlib import Path

import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from own_photos import ROOT, config_of, failure, init, make_masks, save
from PIL import Image
from torchvision import models

from ssenet_core.data.check import configured_splits
from ssenet_core.data.dataset import class_names, split_ids, tag_table
from ssenet_core.data.prepare import prepare_images
from ssenet_core.init.choose import Machine
from ssenet_core.init.splits import draw_validation
from ssenet_core.init.write import Request, write_configuration, yaml_value
from ssenet_core.settings import load, merged

LAPTOP = Machine(cores=2, memory=24)
SERVER = Machine(cores=16, memory=128, gpu="A card", gpu_memory=24)


def test_tags_alone(photos: Path, capsys) -> None:
    assert init(photos.name, "tags.csv") == 0
    told = capsys.readouterr().out
    dataset = config_of(Path("Zo-s-photos.yaml")).dataset
    assert sorted(path.name for path in Path().iterdir()) == sorted(
        [photos.name, "tags.csv", "Zo-s-photos.yaml"]
    )
    assert configured_splits(dataset) == ["train"]
    assert split_ids(dataset, "train") == [f"Zoë {number}" for number in range(10)]
    assert class_names(dataset) == ("cat", "dog", "potted plant")
    assert "cat 4, dog 6, potted plant 4" in told
    assert "10 to train, none to validate" in told
    assert "ssenet run Zo-s-photos.yaml\n" in told
    assert "How long: about 7 min on this machine" in told
    assert "no masks, so nothing is scored" in told


def test_masks_and_a_share_to_validate(photos: Path, capsys) -> None:
    ids = [f"Zoë {number}" for number in range(10)]
    masked = [name for name in ids if int(name[-1]) % 5 in {0, 2}]
    make_masks(Path("masks"), masked)
    common = (photos.name, "tags.csv", "--masks", "masks", "--name", "own")
    assert init(*common, "--val", "0.5") == 0
    told = capsys.readouterr().out
    dataset = config_of(Path("own.yaml")).dataset
    splits = {split: split_ids(dataset, split) for split in ("train", "pseudo_eval", "val")}
    assert len(splits["val"]) == 2
    assert sorted(splits["train"] + splits["val"]) == ids
    assert set(splits["val"]) | set(splits["pseudo_eval"]) == set(masked)
    assert "2 of the training photographs, 2 of the validation ones" in told
    assert "ssenet results results/own\n" in told
    first = Path("own.lists/val.txt").read_text()
    assert init(*common, "--val", "0.5", "--force") == 0
    assert Path("own.lists/val.txt").read_text() == first


def test_a_list_to_validate(photos: Path, capsys) -> None:
    Path("val.txt").write_text("Zoë 3.jpg\n\nZoë 7\n", encoding="utf-8")
    assert init(photos.name, "tags.csv", "--val", "val.txt", "--out", "deep/x.yaml") == 0
    dataset = config_of(Path("deep/x.yaml")).dataset
    assert split_ids(dataset, "val") == ["Zoë 3", "Zoë 7"]
    assert len(split_ids(dataset, "train")) == 8
    twice = "".join(f"Zoë {number}\n" for number in range(9)) + "Zoë 0.jpg\n"
    Path("val.txt").write_text(twice, encoding="utf-8")
    Path("tags.csv").write_text(
        "image,tags\n" + "".join(f"Zoë {number},cat; dog\n" for number in range(10)), "utf-8"
    )
    assert init(photos.name, "tags.csv", "--val", "val.txt", "--name", "twice") == 0
    Path("val.txt").write_text("Zoë 3\nzebra\n", encoding="utf-8")
    assert "image zebra: no row in" in failure(
        capsys, photos.name, "tags.csv", "--val", "val.txt", "--name", "y"
    )
    Path("val.txt").write_text("".join(f"Zoë {number}\n" for number in range(10)))
    assert "none is left to learn from" in failure(
        capsys, photos.name, "tags.csv", "--val", "val.txt", "--name", "y"
    )


def test_nothing_is_overwritten_unasked(photos: Path, capsys) -> None:
    config = Path("own.yaml")
    config.write_text("mine")
    arguments = (photos.name, "tags.csv", "--name", "own")
    error = failure(capsys, *arguments)
    assert f"{config.absolute()}: it is there already" in error
    assert "--force" in error
    assert config.read_text() == "mine"
    assert init(*arguments, "--force") == 0
    assert config_of(config).dataset.name == "own"


def test_what_its_owner_should_know(photos: Path, capsys) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save(photos / "Zoë 1.jpg", exif=exif)
    save(photos / "Zoë 2.jpg", size=(1200, 20))
    save(photos / "extra.jpg")
    (photos / "Zoë 3.jpg").write_bytes((photos / "Zoë 0.jpg").read_bytes())
    table = Path("tags.csv").read_text(encoding="utf-8")
    Path("tags.csv").write_text(table.replace(",cat,", ",cat; dog,"), encoding="utf-8")
    assert init(photos.name, "tags.csv") == 0
    told = capsys.readouterr().out
    assert "1 photograph(s) in the folder have no row and are left out: extra.jpg" in told
    assert "1 photograph(s) are turned upright, as an EXIF entry says" in told
    assert "1 photograph(s) are there twice or more, and stay on one side of a split" in told
    assert "few training photographs to learn from: cat 4, dog 8, potted plant 4" in told
    Path("tags.csv").write_text("image,tags\nZoë 1,cat;\nZoë 2,cat; dog\n", encoding="utf-8")
    assert init(photos.name, "tags.csv", "--force") == 0
    assert "every training photograph has cat" in capsys.readouterr().out


def test_names_that_look_alike_are_told(photos: Path, capsys) -> None:
    table = Path("tags.csv").read_text(encoding="utf-8")
    Path("tags.csv").write_text(table.replace(",dog,", ",dogs; dog,", 1), encoding="utf-8")
    assert init(photos.name, "tags.csv") == 0
    assert "dog and dogs: look alike; is it one class" in capsys.readouterr().out


def test_the_order_of_the_masks_classes(photos: Path, capsys) -> None:
    make_masks(Path("masks"), ["Zoë 0"], label=2)
    Path("names.txt").write_text("background\npotted plant\ncat\ndog\n")
    common = (photos.name, "tags.csv", "--masks", "masks", "--name", "own", "--classes")
    assert init(*common, "names.txt") == 0
    assert class_names(config_of(Path("own.yaml")).dataset) == ("potted plant", "cat", "dog")
    Path("names.txt").write_text("cat\ndog\n")
    assert "not in the list of classes: 'potted plant'" in failure(capsys, *common, "names.txt")


def test_the_sizes_are_the_measured_recipe(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    rows = ["image,tags"]
    for number in range(285):
        save(folder / f"{number}.png", number, (320, 2))
        rows.append(f"{number},{'cat' if number % 2 else 'dog'}")
    (tmp_path / "tags.csv").write_text("\n".join(rows))
    write_configuration(Request(folder, tmp_path / "tags.csv"), LAPTOP)
    recipe = yaml.safe_load((ROOT / "recipes" / "msrc14.yaml").read_text())
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    written = config_of(tmp_path / "photos.yaml")
    expected = load(merged(config, recipe))
    for section in ("cam", "refine", "affinity", "deeplab", "paper"):
        assert getattr(written, section) == getattr(expected, section)


def test_few_photographs_are_seen_more_often(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(57):
        save(folder / f"{number}.png", number, (320, 2))
    rows = [f"{number},{'cat' if number % 2 else 'dog'}" for number in range(57)]
    (tmp_path / "tags.csv").write_text("\n".join(["image,tags", *rows]))
    write_configuration(Request(folder, tmp_path / "tags.csv"), LAPTOP)
    written = config_of(tmp_path / "photos.yaml")
    assert written.cam.defaults.epochs == 5 * 6
    assert written.affinity.defaults.epochs == 5 * 5


def test_a_quick_run_does_less_of_everything(photos: Path) -> None:
    configs = []
    for options in ((), ("--quick",)):
        assert init(photos.name, "tags.csv", "--name", "own", "--force", *options) == 0
        configs.append(config_of(Path("own.yaml")))
    usual, quick = configs
    for stage in ("cam", "affinity"):
        assert getattr(quick, stage).defaults.epochs == getattr(usual, stage).defaults.epochs / 2
    assert quick.deeplab.defaults.iterations == usual.deeplab.defaults.iterations / 2
    views = [config.cam.defaults.inference.scales for config in configs]
    assert views[1] == views[0][:1]
    views = [config.deeplab.defaults.prediction.scales for config in configs]
    assert views[1] == views[0][:1]
    frozen = [config.cam.defaults.backbone.frozen_stages for config in configs]
    assert frozen[1] == (*frozen[0], "blocks.5")


def test_a_gpu_has_larger_sizes_that_fit_its_memory(photos: Path) -> None:
    for number in range(10):
        save(photos / f"Zoë {number}.jpg", number, (500, 40))
    request = Request(photos, Path("tags.csv").absolute(), weights="none", force=True)
    crops = []
    for machine in (LAPTOP, SERVER):
        assert "2 CPU cores" in "\n".join(write_configuration(request, LAPTOP))
        write_configuration(request, machine)
        config = config_of(Path("Zo-s-photos.yaml"))
        crops.append(config.cam.defaults.crop)
        compute = config.compute
        assert 1 <= compute.training_threads <= machine.cores
    assert crops[0] < crops[1]


def test_initial_weights_from_a_file(photos: Path, capsys) -> None:
    torch.save(models.resnet18(weights=None).state_dict(), "net.pth")
    arguments = (photos.name, "tags.csv", "--name", "own", "--weights", "net.pth")
    assert init(*arguments) == 0
    config = config_of(Path("own.yaml"))
    backbone = config.cam.defaults.backbone
    assert backbone.name == "resnet18"
    assert Path(backbone.weights) == Path("net.pth").absolute()
    assert config.deeplab.defaults.backbone.weights == "cam"
    torch.save({"a": torch.zeros(1)}, "net.pth")
    error = failure(capsys, *arguments, "--force")
    assert "expected weights of resnet18, resnet50, resnet101, efficientnet_lite0" in error
    Path("net.pth").unlink()
    error = failure(capsys, *arguments, "--force")
    assert "net.pth: expected imagenet, none or a file of weights" in error


def test_imagenet_is_the_usual_start(photos: Path, capsys) -> None:
    common = (photos.name, "tags.csv", "--name", "own", "--force")
    starts = {}
    for options in ((), ("--weights", "none"), ("--backbone", "resnet50")):
        assert init(*common, *options) == 0
        config = config_of(Path("own.yaml"))
        cam = config.cam.resolve("ssenet").backbone
        starts[options] = (cam.name, cam.weights)
        for section in ("affinity", "deeplab"):
            backbone = getattr(config, section).defaults.backbone
            assert (backbone.name, backbone.weights) == (cam.name, "cam")
    assert list(starts.values()) == [
        ("efficientnet_lite0", "imagenet"),
        ("resnet38", "cam:pretrained"),
        ("resnet50", "imagenet"),
    ]
    told = capsys.readouterr().out
    assert "weights of resnet50 are not in data/weights/resnet50.pth; ssenet download" in told
    assert "lite0 are not" not in told
    error = failure(capsys, *common, "--backbone", "timm:resnet5")
    assert "error: backbone: name: timm has no network 'resnet5'" in error
    assert "recipes/voc2012.yaml" in failure(capsys, *common, "--backbone", "resnet38")
    assert "leave out" in failure(capsys, *common, "--backbone", "resnet50", "--weights", "none")


def test_a_share_spares_the_last_of_a_class(photos: Path, capsys) -> None:
    rows = [f"Zoë {number},{'dog' if number else 'cat'}" for number in range(10)]
    Path("tags.csv").write_text("\n".join(["image,tags", *rows]), encoding="utf-8")
    assert init(photos.name, "tags.csv", "--val", "0.99", "--name", "own") == 0
    dataset = config_of(Path("own.yaml")).dataset
    kept = split_ids(dataset, "train")
    assert "Zoë 0" in kept
    assert len(kept) == 2
    Path("tags.csv").write_text("image,tags\nZoë 0,cat\nZoë 1,dog\n", encoding="utf-8")
    error = failure(capsys, photos.name, "tags.csv", "--val", "0.5", "--name", "other")
    assert "none can be spared" in error


def test_one_class_and_photographs_with_none(photos: Path, capsys) -> None:
    rows = [f"Zoë {number},{'crack' if number % 2 else ''}" for number in range(10)]
    Path("tags.csv").write_text("\n".join(["image,tags", *rows, ",", ","]), encoding="utf-8")
    assert init(photos.name, "tags.csv", "--val", "0.4", "--name", "own") == 0
    told = capsys.readouterr().out
    assert "photographs  10 (.jpg 10)" in told
    assert "classes      1: crack 5; 5 photographs with none\n" in told
    assert "few training photographs to learn from: crack 3, 3 with none" in told
    dataset = config_of(Path("own.yaml")).dataset
    assert class_names(dataset) == ("crack",)
    assert sorted(int(name[-1]) % 2 for name in split_ids(dataset, "val")) == [0, 0, 1, 1]


@given(st.text(min_size=1).filter(str.isprintable))
def test_any_text_is_read_back_from_the_configuration(text: str) -> None:
    written = yaml_value(text)
    assert yaml.safe_load(f"key: {written} # comment\n") == {"key": text}
    assert yaml.safe_load(f"key: {{a: {written}, b: {yaml_value([text, None])}}}") == {
        "key": {"a": text, "b": [text, None]}
    }


@given(st.lists(st.sets(st.integers(1, 3)), min_size=2, max_size=60), st.floats(0.1, 0.9))
def test_a_drawn_share_keeps_that_of_photographs_with_none(tags, share) -> None:
    of = {f"image {number}": tuple(own) for number, own in enumerate(tags)}
    count = round(share * len(of))
    taken = draw_validation(list(of), count, of)
    without = {name for name, own in of.items() if not own}
    assert len(taken) <= count
    wanted = count * len(without) / len(of)
    assert len(taken & without) >= min(wanted - 0.5, len(without) - 1)
    assert len(taken & without) <= wanted + 0.5
    kept = of.keys() - taken
    assert {tag for name in kept for tag in of[name]} == {tag for own in tags for tag in own}
    assert bool(without) == bool(without & kept)


def test_results_of_other_photographs_are_not_taken_over(photos: Path, capsys) -> None:
    name = "Zo-s-photos"
    assert init(photos.name, "tags.csv") == 0
    prepare_images(
        dataset=config_of(Path(f"{name}.yaml")).dataset,
        images=[Path("copies/Zoë 0.jpg")],
        masks=[],
        record=Path("results", name, "prepared", "train.shards", "0.json"),
    )
    again = (photos.name, "tags.csv", "--out", "again.yaml")
    assert init(*again) == 0
    Path("elsewhere").mkdir()
    photos.rename(Path("elsewhere", photos.name))
    moved = (f"elsewhere/{photos.name}", "tags.csv", "--out", "moved.yaml")
    error = failure(capsys, *moved)
    assert f"results/{name}: there are results of {photos} already; --name NAME" in error
    assert not Path("moved.yaml").exists()
    assert init(*moved, "--name", "moved") == 0
    assert init(*moved, "--force") == 0


def test_tags_from_wherever_they_are(photos: Path, capsys) -> None:
    """Names of folders, COCO, VOC annotations, and a table that names the folder."""
    for tag, number in (("cat", 0), ("sea horse", 1)):
        (Path("albums") / tag).mkdir(parents=True)
        save(Path("albums") / tag / "001.PNG", number)
    assert init("albums", "--name", "albums") == 0
    dataset = config_of(Path("albums.yaml")).dataset
    assert class_names(dataset) == ("cat", "sea horse")
    assert split_ids(dataset, "train") == ["cat_001", "sea horse_001"]
    names = [("Zoë 0", "cat"), ("Zoë 1", "dog")]
    coco = {
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "images": [{"id": n, "file_name": f"{name}.jpg"} for n, (name, _) in enumerate(names)],
        "annotations": [{"image_id": n, "category_id": n + 1} for n in range(2)],
    }
    Path("coco.json").write_text(json.dumps(coco))
    Path("xml").mkdir()
    for name, tag in names:
        text = f"<annotation><object><name>{tag}</name></object></annotation>"
        Path("xml", f"{name}.xml").write_text(text)
    rows = [f"{photos.name}/{name}.jpg,{tag}" for name, tag in names]
    Path("paths.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    for number, source in enumerate(("coco.json", "xml", "paths.csv")):
        assert init(photos.name, source, "--name", f"own{number}") == 0
        dataset = config_of(Path(f"own{number}.yaml")).dataset
        table = tag_table(dataset, "train")
        assert table is not None
        assert table.rows == {"Zoë 0": ("cat",), "Zoë 1": ("dog",)}


def test_the_same_picture_is_on_one_side_of_a_split(photos: Path, capsys) -> None:
    for number in range(5):
        content = (photos / f"Zoë {number}.jpg").read_bytes()
        (photos / f"Zoë {number + 5}.jpg").write_bytes(content)
    assert init(photos.name, "tags.csv", "--val", "0.4", "--name", "own") == 0
    assert "5 photograph(s) are there twice or more" in capsys.readouterr().out
    val = {int(name[-1]) for name in split_ids(config_of(Path("own.yaml")).dataset, "val")}
    assert len(val) == 4
    assert {(number + 5) % 10 for number in val} == val
    Path("val.txt").write_text("Zoë 3\n", encoding="utf-8")
    error = failure(capsys, photos.name, "tags.csv", "--val", "val.txt", "--name", "other")
    assert "image Zoë 3: the same photograph as Zoë 8; list all or none" in error
