"""The configuration: recipes hold, mistakes are named with their key and what is allowed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ssenet_core.errors import SSENetError
from ssenet_core.settings import (
    CamTraining,
    Settings,
    load,
    merged,
    read_configuration,
    starting_variant,
)

ROOT = Path(__file__).parents[1]


def default() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def loaded(change: dict[str, Any]) -> Settings:
    """Settings of `change` laid over config.yaml, as Snakemake lays a second configuration file."""
    return load(merged(default(), change))


@pytest.mark.parametrize("recipe", sorted(path.name for path in (ROOT / "recipes").glob("*.yaml")))
def test_every_recipe_is_valid(recipe: str) -> None:
    path = ROOT / "recipes" / recipe
    assert read_configuration([path]) == loaded(yaml.safe_load(path.read_text()))


def test_overlays_are_merged_in_their_order_and_checked(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("cam: {defaults: {epochs: 3, optimizer: {lr: 1e-4}}}\n")
    second.write_text("cam: {defaults: {epochs: 4}}\n")
    settings = read_configuration([first, second]).cam.defaults
    assert (settings.epochs, settings.optimizer.lr) == (4, 1e-4)
    for text in ("cam: {defaults: {epoch: 3}}", "cam: {}\ncam: {}", "cam: [", "- 1", "\0"):
        second.write_text(text)
        with pytest.raises(SSENetError):
            read_configuration([first, second])
    with pytest.raises(SSENetError, match=r"none\.yaml: expected a YAML file"):
        read_configuration([tmp_path / "none.yaml"])


def test_the_default_is_valid() -> None:
    loaded({})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cam": {"defaults": {"epoch": 3}}}, r"cam\.defaults\.epoch.*epochs"),
        ({"cam": {"defaults": {"epochs": 0}}}, r"cam\.defaults\.epochs.*0"),
        ({"cam": {"defaults": {"epochs": "ten"}}}, r"cam\.defaults\.epochs.*ten"),
        (
            {"cam": {"defaults": {"ser": {"rate": 1.5}}}},
            r"cam\.defaults\.ser\.rate.*1\.5.*less than 1",
        ),
        ({"cam": {"variants": {"ssenet": {"serr": {}}}}}, r"cam\.variants\.ssenet\.serr.*ser"),
        ({"cam": {"defaults": {"ser": {"transforms": ["shear"]}}}}, r"ser\.transforms\[0\].*flip"),
        ({"cam": {"defaults": {"ser": {"transforms": []}}}}, r"ser\.transforms.*at least 1"),
        ({"cam": {"defaults": {"ser": {"transforms": ["flip", "flip"]}}}}, r"transforms.*twice"),
        ({"cam": {"defaults": {"ser": {"form": "squared"}}}}, r"ser\.form.*'normalised' or 'raw'"),
        ({"cam": {"defaults": {"ser": {"angle": 0}}}}, r"ser\.angle.*greater than 0"),
        (
            {"evaluation": {"equivariance": {"scales": [], "flip": False, "angles": []}}},
            r"evaluation\.equivariance: one of",
        ),
        ({"run": {"cams": ["absent"]}}, r"absent"),
        ({"tags": {"folds": 1}}, r"tags\.folds: found 1, one fold leaves no image to train with"),
        ({"cam": {"defaults": {"resize": [9, 3]}}}, r"resize"),
        ({"cam": {"defaults": {"backbone": {"weights": "cam"}}}}, r"backbone\.weights"),
        ({"cam": {"defaults": {"backbone": {"weights": "cam:absent"}}}}, r"absent"),
        ({"cam": {"variants": {"pretrained": {"backbone": {"weights": "cam:ssenet"}}}}}, r"each"),
        ({"dataset": {"source": "voc", "root": None}}, r"dataset\.root"),
        (
            {"affinity": {"defaults": {"pairs": "inner", "crop": 64}}},
            r"affinity\.defaults\.pairs: .* crop of 72 or more",
        ),
        (
            {"affinity": {"variants": {"default": {"use_corrections": True}}}},
            r"affinity\.variants\.default\.use_corrections: .* dataset\.corrections is null",
        ),
        ({"datasets": {}}, r"datasets.*dataset"),
        ({"refine": {"powers": [24, 4]}}, r"refine\.powers: found \[24, 4\].*smaller must"),
        ({"paper": {"table1": ["baselin"]}}, r"paper\.table1: .*did you mean baseline\?"),
        ({"paper": {"compared": ["ssenet", "x"]}}, r"paper\.compared: .*has no 'x'"),
        ({"paper": {"deeplab": "x"}}, r"paper\.deeplab: deeplab\.variants has no 'x'"),
        ({"paper": {"table2": ["ssenet@1"]}}, r"paper\.table2: ssenet@1: run\.seeds says"),
        ({"run": {"seeds": [1, 2], "cams": ["ssenet@3"]}}, r"run\.cams: ssenet@3: run\.seeds"),
        ({"dataset": {"name": "my data"}}, r"dataset\.name.*letters, digits and \. _ - only"),
    ],
)
def test_a_mistake_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SSENetError, match=message):
        loaded(change)


def test_every_mistake_is_named_at_once() -> None:
    change = {"cam": {"defaults": {"epochs": -1, "crop": "big"}}, "nonsense": 1}
    with pytest.raises(SSENetError) as caught:
        loaded(change)
    for word in ("epochs", "crop", "nonsense"):
        assert word in str(caught.value)


def test_a_fault_is_told_where_it_was_written() -> None:
    """Variants have their defaults' faults too: they are told once."""
    change = {
        "cam": {
            "defaults": {"epochs": 0, "resize": [200, 100], "backbone": {"frozen_stages": ["b9"]}},
            "variants": {"ssenet": {"epochs": -1, "backbone": {"width": 9}}},
        },
        "affinity": {"defaults": {"random_walk": {"background": {"alpha": None}}}},
    }
    with pytest.raises(SSENetError) as caught:
        loaded(change)
    places = [line.partition(": ")[0].strip() for line in str(caught.value).splitlines()[1:]]
    assert sorted(places) == [
        "affinity.defaults.random_walk.background",
        "cam.defaults.backbone.frozen_stages",
        "cam.defaults.epochs",
        "cam.defaults.resize",
        "cam.variants.ssenet.backbone.width",
        "cam.variants.ssenet.epochs",
    ]


def test_a_batch_that_processes_cannot_share_is_told_where_it_was_written() -> None:
    with pytest.raises(SSENetError) as caught:
        loaded({"compute": {"train_gpus": 3}})
    places = [line.partition(": ")[0].strip() for line in str(caught.value).splitlines()[1:]]
    assert places == [
        "cam.variants.pretrained.batch_size",
        "cam.defaults.batch_size",
        "affinity.defaults.batch_size",
        "deeplab.defaults.batch_size",
    ]


def test_a_start_is_told_where_it_was_written() -> None:
    """A variant with other keys of the backbone has its weights from the defaults."""
    backbone = {"defaults": {"backbone": {"weights": "cam:absent"}}}
    change = {"cam": {**backbone, "variants": {"ssenet": {"backbone": {"dropout": [0, 0]}}}}}
    with pytest.raises(SSENetError) as caught:
        loaded(change)
    places = [line.partition(": ")[0].strip() for line in str(caught.value).splitlines()[1:]]
    assert places == ["cam.defaults.backbone.weights"]


def test_a_variant_is_its_overrides_on_the_defaults() -> None:
    cam = loaded({"cam": {"variants": {"plain": None}}}).cam
    baseline, ssenet = cam.resolve("baseline"), cam.resolve("ssenet")
    assert baseline.ser.weight == 0
    assert baseline.model_copy(update={"ser": ssenet.ser}) == ssenet
    assert cam.resolve("plain") == cam.defaults


def test_a_name_may_carry_a_seed() -> None:
    cam = loaded({}).cam
    assert cam.resolve("ssenet@3").plain() == {**cam.resolve("ssenet").plain(), "seed": 3}


@pytest.mark.parametrize(
    ("weights", "name", "start"),
    [
        (None, "ssenet", None),
        ("weights.pth", "ssenet", None),
        ("cam", "ssenet", None),
        ("cam:pretrained", "ssenet", "pretrained"),
        ("cam:pretrained", "ssenet@2", "pretrained@2"),
    ],
)
def test_weights_of_another_variant_keep_the_seed(
    weights: str | None, name: str, start: str | None
) -> None:
    assert starting_variant(weights, name) == start


def test_values_of_the_command_line_are_texts() -> None:
    settings = loaded(
        {
            "run": {"seeds": ["0", "1"]},
            "compute": {"gpus": "1"},
            "dataset": {"mask_dir": "null", "lists": {"test": "null"}},
            "cam": {"defaults": {"optimizer": {"lr": "1e-4"}, "inference": {"flip": "false"}}},
            "affinity": {"defaults": {"random_walk": {"crf": "null"}}},
        }
    )
    assert settings.run.seeds == (0, 1)
    assert settings.compute.gpus == 1
    assert settings.dataset.mask_dir is None
    assert settings.dataset.lists.test is None
    assert settings.cam.defaults.optimizer.lr == 1e-4
    assert not settings.cam.defaults.inference.flip
    assert settings.affinity.defaults.random_walk.crf is None
    with pytest.raises(SSENetError, match=r"cam\.defaults\.precision: found 'null'"):
        loaded({"cam": {"defaults": {"precision": "null"}}})


def test_more_seeds_leave_the_first_ones_names() -> None:
    settings = loaded({"run": {"seeds": [0, 1]}})
    assert [settings.seeded("cam", "ssenet", seed) for seed in (0, 1)] == ["ssenet", "ssenet@1"]
    own = {"cam": {"variants": {"ssenet": {"seed": 5}}}}
    settings = loaded({"run": {"seeds": [0, 1]}, **own})
    assert [settings.seeded("cam", "ssenet", seed) for seed in (0, 5)] == ["ssenet@0", "ssenet"]
    assert loaded(own).seeded("cam", "ssenet", 0) == "ssenet"


def test_a_network_without_the_regulariser_does_not_depend_on_it() -> None:
    def trained(name: str, **ser: object) -> dict[str, Any]:
        return loaded({"cam": {"defaults": {"ser": ser}}}).cam.resolve(name).used_in_training()

    assert trained("baseline", rate=0.4, form="raw") == trained("baseline")
    assert trained("ssenet", rate=0.4) != trained("ssenet")
    assert trained("ssenet", angle=5) == trained("ssenet")
    turned = {"transforms": ["rotate"]}
    assert trained("ssenet", **turned, angle=5) != trained("ssenet", **turned, angle=6)
    assert trained("ssenet", **turned, rate=0.4) == trained("ssenet", **turned)
    unused = {"inference", "save_every"}
    assert not unused & trained("ssenet").keys()


@pytest.mark.parametrize("stage", ["cam", "affinity", "deeplab"])
def test_what_a_training_depends_on_is_all_that_it_gets(stage: str) -> None:
    settings = getattr(loaded({}), stage)
    for name in settings.variants:
        used = settings.resolve(name).used_in_training()
        kind = type(settings.resolve(name)).__mro__[1]
        assert kind.model_validate(used).used_in_training() == used
        assert set(used) == set(kind.model_fields)


def test_settings_cannot_be_changed() -> None:
    training = CamTraining.model_validate(loaded({}).cam.resolve("ssenet").used_in_training())
    with pytest.raises(ValueError, match="frozen"):
        training.seed = 1  # type: ignore[misc]
