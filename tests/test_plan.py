"""What a plan makes of a configuration: splits, shards, chains, initial weights, lost files."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ssenet_core.errors import SSENetError
from ssenet_core.plan import Plan, dataset_files, doubts, paper, reporting, shard_rule, targets
from ssenet_core.settings import merged

CHAIN = {"cam": "ssenet", "affinity": "default", "deeplab": "default"}


def plan(**config: Any) -> Plan:
    shapes = {"name": "few", "shapes": {"seed": 0, "train": 9, "val": 4, "size": 32, "classes": 2}}
    return Plan(merged({"dataset": shapes, "compute": {"shards": 3}}, config))


def voc(root: Path, **dataset: Any) -> dict[str, Any]:
    """A dataset in VOC's layout with empty files and the given lists."""
    lists = dataset.pop("ids")
    folder = root / "ImageSets" / "Segmentation"
    folder.mkdir(parents=True)
    for name, ids in lists.items():
        (folder / f"{name}.txt").write_text("".join(f"{image}\n" for image in ids))
    own = {"name": "own", "source": "voc", "root": str(root), "classes": ["cat"]}
    names: dict[str, str | None] = dict.fromkeys(("train", "pseudo_eval", "val", "test"))
    return own | {"lists": names | {name: name for name in lists}} | dataset


def test_each_image_is_in_one_shard_and_pseudo_eval_has_none_of_its_own() -> None:
    found = plan()
    spread = [image for ids in found.shards["train"].values() for image in ids]
    assert sorted(spread) == sorted(found.ids["train"])
    assert found.shards.keys() == {"train", "val"}
    assert found.ids["pseudo_eval"] == found.ids["train"]
    assert all(ids for ids in found.shards["train"].values())


def test_figures_compare_the_networks_of_the_runs_first_seed() -> None:
    found = plan(run={"seeds": [2, 0]}, paper={"compared": ["baseline", "ssenet-0.4"]})
    assert paper.compared_cams(found) == ["baseline@2", "ssenet-0.4@2"]
    assert [Path(file).parts[3] for file in paper.scale_evaluations(found)] == paper.compared_cams(
        found
    )


def test_a_dataset_without_masks_is_not_scored(tmp_path: Path) -> None:
    dataset = voc(tmp_path, ids={"train": ["a", "b"], "val": ["c"]}, mask_dir=None)
    found = Plan({"dataset": dataset})
    assert (found.scored, reporting.evaluations(found)) == ([], [])
    with pytest.raises(SSENetError, match="scores on val, which the dataset own has no masks for"):
        paper.table_evaluations(found, paper.TABLES[3])
    with pytest.raises(SSENetError, match="scores on pseudo_eval"):
        paper.scale_evaluations(found)


def test_images_that_do_not_train_are_not_scored(tmp_path: Path) -> None:
    dataset = voc(tmp_path, ids={"train": ["a", "b"], "pseudo_eval": ["b", "c"]})
    with pytest.raises(SSENetError, match=r"lists.pseudo_eval(.|\n)*  c"):
        Plan({"dataset": dataset})


def test_an_empty_list_is_refused(tmp_path: Path) -> None:
    dataset = voc(tmp_path, ids={"train": ["a", "b"], "val": []})
    with pytest.raises(SSENetError, match=r"dataset.lists.val: val: there are no images"):
        Plan({"dataset": dataset})


def test_a_chain_a_seed_and_what_each_starts_from() -> None:
    found = plan(run={"cams": ["baseline", "ssenet"], "chains": [CHAIN], "seeds": [0, 2]})
    assert found.cams == ["baseline", "baseline@2", "ssenet", "ssenet@2"]
    assert [list(chain.values()) for chain in found.chains] == [
        ["ssenet", "default", "default"],
        ["ssenet@2", "default@2", "default@2"],
    ]
    # `pretrained`, from which all start, is trained once a seed and stands before them.
    assert found.trained_cams[:2] == ["pretrained", "pretrained@2"]
    starts = {name: found.initial_weights("cam", name, name) for name in found.trained_cams}
    assert starts["ssenet@2"] == "results/few/cam/pretrained@2/model.pt"
    assert starts["pretrained"] is None
    weights = found.initial_weights("affinity", "default@2", "ssenet@2")
    assert weights == "results/few/cam/ssenet@2/model.pt"


def test_missing_weights_are_named_with_the_command_that_brings_them() -> None:
    backbone = {"name": "resnet50", "output_stride": 16, "weights": "imagenet"}
    cam = {"defaults": {"backbone": backbone}, "variants": {"pretrained": {"backbone": backbone}}}
    overrides: dict[str, Any] = {"cam": cam, "run": {"chains": []}}
    with pytest.raises(SSENetError, match=r"data/weights/resnet50.pth: no such file") as error:
        Plan(overrides, ["my/recipe.yaml", "config.yaml"])
    assert "ssenet download my/recipe.yaml" in str(error.value)


def test_one_lost_file_a_shard_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = plan(run={"chains": [CHAIN]})
    assert targets.run_files(found) == []
    maps = tmp_path / found.of_cams("maps/train", ["ssenet"])[0]
    records = maps.with_name("train.shards")
    for folder in (maps, records):
        folder.mkdir(parents=True)
    for shard, ids in found.shards["train"].items():
        (records / f"{shard}.json").touch()
        for image in ids:
            (maps / f"{image}.h5").touch()
    assert targets.run_files(found) == []
    ids = found.shards["train"][1]
    for image in ids:
        (maps / f"{image}.h5").unlink()
    assert targets.run_files(found) == [f"results/few/cam/ssenet/maps/train/{ids[0]}.h5"]
    (records / "1.json").unlink()  # the shard is made anyway
    assert targets.run_files(found) == []


def test_the_gallery_shows_a_chain_in_all_stages() -> None:
    found = plan(run={"chains": [CHAIN], "gallery": 2})
    files = reporting.gallery_files(found)
    first = found.ids["train"][0]
    assert f"results/few/cam/ssenet/maps/train/{first}.h5" in files
    assert f"results/few/affinity/ssenet/default/pseudo_labels/train/{first}.png" in files
    predictions = "results/few/deeplab/ssenet/default/default/predictions"
    assert f"{predictions}/gallery/{first}.png" in files
    assert f"{predictions}/val/{found.ids['val'][0]}.png" in files
    assert len(files) == 2 * 4 + 2


def test_folds_have_networks_of_their_own_from_the_first_weights_on() -> None:
    """One that starts from a network that has learnt from all tags would have seen its images."""
    found = plan(run={"chains": [CHAIN]}, tags={"folds": 2})
    assert doubts.tag_scorers(found) == {
        f"results/few/folds/{fold}/ssenet/model.pt": f"results/few/folds/{fold}/held_out.json"
        for fold in (0, 1)
    }
    assert doubts.fold_weights(found, 1, "ssenet") == "results/few/folds/1/pretrained/model.pt"
    assert doubts.fold_weights(found, 1, "pretrained") is None
    own = found.variant("cam", "ssenet").used_in_training()
    trained = doubts.fold_settings(found, "ssenet")
    assert trained.pop("ser") == own.pop("ser") | {"weight": 0.0}
    assert trained == own


def test_without_folds_the_runs_network_is_asked_about_all() -> None:
    found = plan(run={"chains": [CHAIN]})
    network = "results/few/cam/ssenet/model.pt"
    assert doubts.tag_scorers(found) == {network: "results/few/manifest/train.json"}
    assert {*doubts.source_files(found)} == {"manifest", "tag_scores", "agreement"}
    assert {*doubts.source_files(plan(run={"chains": []}))} == {"manifest", "tag_scores"}


def test_corrections_change_no_manifest_and_are_asked_for_where_they_are_used(
    tmp_path: Path,
) -> None:
    dataset = voc(tmp_path, ids={"train": ["a", "b"], "val": ["c"]})
    (tmp_path / "mended").mkdir()
    plain = Plan({"dataset": dataset})
    found = Plan({"dataset": dataset | {"corrections": "mended"}})
    assert dataset_files.split_settings(found, "train") == dataset_files.split_settings(
        plain, "train"
    )
    assert (
        dataset_files.corrections_record(plain)
        == dataset_files.corrections_record(found, used=False)
        == []
    )
    assert dataset_files.corrections_record(found) == "results/own/corrections.json"
    before = dataset_files.corrections_digest(found)
    (tmp_path / "mended" / "a.png").touch()
    assert dataset_files.corrections_digest(found) != before
    with pytest.raises(SSENetError, match=r"dataset.corrections: .*none: no such folder or file"):
        dataset_files.corrections_digest(Plan({"dataset": dataset | {"corrections": "none"}}))


def test_a_file_that_gives_a_key_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("run: {gallery: 1}\nrun: {gallery: 2}\n")
    with pytest.raises(SSENetError, match="run is in line 1 too"):
        Plan(yaml.safe_load(file.read_text()), [file])


def test_a_shards_rule_has_a_name_that_sorts() -> None:
    assert shard_rule("infer_cam", "train", 7) == "infer_cam_train_007"
