"""The configuration: recipes hold, mistakes are named with their key and what is allowed."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from ssenet_core.config import read_text_values, resolve, starting_variant, validate
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
    validate(overlaid(default(), yaml.safe_load((ROOT / "recipes" / recipe).read_text())), SCHEMA)


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
        ({"datasets": {}}, r"datasets.*dataset"),
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
