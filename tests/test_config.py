"""The configuration: recipes hold, mistakes are named with their key and what is allowed."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from ssenet_core.config import (
    read_configuration,
    read_text_values,
    resolve,
    seeded,
    starting_variant,
    used_in_training,
    validate,
)
from ssenet_core.errors import SSENetError

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "config.schema.yaml"


def default() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def overlaid(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`change` laid over `base`, as Snakemake lays a second configuration file."""
    result = deepcopy(base)
    for key, value in change.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = overlaid(result[key], value) if nested else value
    return result


@pytest.mark.parametrize("recipe", sorted(path.name for path in (ROOT / "recipes").glob("*.yaml")))
def test_every_recipe_is_valid(recipe: str) -> None:
    path = ROOT / "recipes" / recipe
    assert read_configuration([path]) == overlaid(default(), yaml.safe_load(path.read_text()))


def test_overlays_are_merged_in_their_order_and_checked(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("cam: {defaults: {epochs: 3, optimizer: {lr: 1e-4}}}\n")
    second.write_text("cam: {defaults: {epochs: 4}}\n")
    settings = read_configuration([first, second])["cam"]["defaults"]
    assert (settings["epochs"], settings["optimizer"]["lr"]) == (4, 1e-4)
    for text in ("cam: {defaults: {epoch: 3}}", "cam: {}\ncam: {}", "cam: [", "- 1", "\0"):
        second.write_text(text)
        with pytest.raises(SSENetError):
            read_configuration([first, second])
    with pytest.raises(SSENetError, match=r"none\.yaml: expected a YAML file"):
        read_configuration([tmp_path / "none.yaml"])


def test_the_default_is_valid() -> None:
    validate(default(), SCHEMA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cam": {"defaults": {"epoch": 3}}}, r"cam\.defaults\.epoch.*epochs"),
        ({"cam": {"defaults": {"epochs": 0}}}, r"cam\.defaults\.epochs.*0"),
        ({"cam": {"defaults": {"epochs": "ten"}}}, r"cam\.defaults\.epochs.*ten"),
        ({"cam": {"defaults": {"ser": {"rate": 1.5}}}}, r"cam\.defaults\.ser\.rate.*1\.5"),
        ({"cam": {"variants": {"ssenet": {"serr": {}}}}}, r"cam\.variants\.ssenet\.serr.*ser"),
        ({"cam": {"defaults": {"ser": {"transforms": ["shear"]}}}}, r"ser\.transforms\[0\].*flip"),
        ({"cam": {"defaults": {"ser": {"transforms": []}}}}, r"ser\.transforms.*at least 1"),
        ({"cam": {"defaults": {"ser": {"transforms": ["flip", "flip"]}}}}, r"transforms.*twice"),
        ({"cam": {"defaults": {"ser": {"form": "squared"}}}}, r"ser\.form.*normalised or raw"),
        ({"cam": {"defaults": {"ser": {"angle": 0}}}}, r"ser\.angle.*above 0"),
        (
            {"evaluation": {"equivariance": {"scales": [], "flip": False, "angles": []}}},
            r"evaluation\.equivariance: one of",
        ),
        ({"run": {"cams": ["absent"]}}, r"absent"),
        ({"cam": {"defaults": {"resize": [9, 3]}}}, r"resize"),
        ({"cam": {"defaults": {"backbone": {"weights": "cam"}}}}, r"backbone\.weights"),
        ({"cam": {"defaults": {"backbone": {"weights": "cam:absent"}}}}, r"absent"),
        ({"cam": {"variants": {"pretrained": {"backbone": {"weights": "cam:ssenet"}}}}}, r"each"),
        ({"dataset": {"source": "voc", "root": None}}, r"dataset\.root"),
        (
            {"affinity": {"defaults": {"pairs": "inner", "crop": 64}}},
            r"affinity variant default: crop 64: must be 72 or more",
        ),
        ({"datasets": {}}, r"datasets.*dataset"),
        ({"refine": {"powers": [24, 4]}}, r"refine\.powers: found \[24, 4\].*smaller first"),
        ({"paper": {"table1": ["baselin"]}}, r"paper\.table1: .*did you mean baseline\?"),
        ({"paper": {"compared": ["ssenet", "x"]}}, r"paper\.compared: .*has no 'x'"),
        ({"paper": {"deeplab": "x"}}, r"paper\.deeplab: deeplab\.variants has no 'x'"),
        ({"paper": {"table2": ["ssenet@1"]}}, r"paper\.table2: ssenet@1: run\.seeds says"),
        ({"run": {"seeds": [1, 2], "cams": ["ssenet@3"]}}, r"run\.cams: ssenet@3: run\.seeds"),
        ({"dataset": {"name": "my data"}}, r"dataset\.name.*letters, digits and \. _ - alone"),
    ],
)
def test_a_mistake_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SSENetError, match=message):
        validate(overlaid(default(), change), SCHEMA)


def test_every_mistake_is_named_at_once() -> None:
    change = {"cam": {"defaults": {"epochs": -1, "crop": "big"}}, "nonsense": 1}
    with pytest.raises(SSENetError) as caught:
        validate(overlaid(default(), change), SCHEMA)
    for word in ("epochs", "crop", "nonsense"):
        assert word in str(caught.value)


def test_a_variant_is_its_overrides_on_the_defaults() -> None:
    config = default()
    baseline, ssenet = (resolve(config, "cam", name) for name in ("baseline", "ssenet"))
    assert baseline["ser"]["weight"] == 0
    assert {**baseline, "ser": ssenet["ser"]} == ssenet


def test_a_name_may_carry_a_seed() -> None:
    config = default()
    assert resolve(config, "cam", "ssenet@3") == {**resolve(config, "cam", "ssenet"), "seed": 3}


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


def test_values_of_the_command_line_are_read_where_no_text_is_wanted() -> None:
    config = overlaid(default(), {"run": {"seeds": ["0", "1"]}, "compute": {"gpus": "1"}})
    read_text_values(config, SCHEMA)
    validate(config, SCHEMA)
    assert config["run"]["seeds"] == [0, 1]
    assert config["compute"]["gpus"] == 1
    assert config["cam"]["defaults"]["backbone"]["name"] == "resnet38"


def test_null_and_small_numbers_can_be_given_on_the_command_line() -> None:
    config = overlaid(
        default(),
        {
            "dataset": {"mask_dir": "null", "lists": {"test": "null"}},
            "cam": {"defaults": {"optimizer": {"lr": "1e-4"}, "precision": "null"}},
        },
    )
    read_text_values(config, SCHEMA)
    assert config["dataset"]["mask_dir"] is None
    assert config["dataset"]["lists"]["test"] is None
    assert config["cam"]["defaults"]["optimizer"]["lr"] == 1e-4
    with pytest.raises(SSENetError, match=r"cam\.defaults\.precision: found None"):
        validate(config, SCHEMA)


def test_more_seeds_leave_the_first_ones_names() -> None:
    config = overlaid(default(), {"run": {"seeds": [0, 1]}})
    assert [seeded(config, "cam", "ssenet", seed) for seed in (0, 1)] == ["ssenet", "ssenet@1"]
    config = overlaid(config, {"cam": {"variants": {"ssenet": {"seed": 5}}}})
    assert [seeded(config, "cam", "ssenet", seed) for seed in (0, 5)] == ["ssenet@0", "ssenet"]
    config["run"]["seeds"] = [0]
    assert seeded(config, "cam", "ssenet", 0) == "ssenet"


def test_a_network_without_the_regulariser_does_not_depend_on_it() -> None:
    def trained(name: str, **ser: object) -> dict[str, Any]:
        config = overlaid(default(), {"cam": {"defaults": {"ser": ser}}})
        return used_in_training(resolve(config, "cam", name))

    assert trained("baseline", rate=0.4, form="raw") == trained("baseline")
    assert trained("ssenet", rate=0.4) != trained("ssenet")
    assert trained("ssenet", angle=5) == trained("ssenet")
    turned = {"transforms": ["rotate"]}
    assert trained("ssenet", **turned, angle=5) != trained("ssenet", **turned, angle=6)
    assert trained("ssenet", **turned, rate=0.4) == trained("ssenet", **turned)
    unused = {"inference", "save_every"}
    assert not unused & trained("ssenet").keys()
