"""torchvision's ResNets as backbones: the published network, on a finer grid.

Identities rather than values: dilation keeps what the strided network computes, cell by cell.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from ssenet_core.affinity.inference import walked_scores
from ssenet_core.affinity.training import pair_loss
from ssenet_core.cam.training import cam_loss
from ssenet_core.config import resolve, validate
from ssenet_core.deeplab.training import pixel_loss
from ssenet_core.errors import SSENetError
from ssenet_core.models.backbones import build_backbone, load_backbone_weights
from ssenet_core.models.catalogue import BACKBONES, backbone_faults
from ssenet_core.models.checkpoints import build_network, load_checkpoint, save_checkpoint
from ssenet_core.models.torchvision_backbone import BUILDERS, TorchvisionResNet
from ssenet_core.storage import ClassMaps
from ssenet_core.training.optimizer import build_optimizer

ROOT = Path(__file__).parents[2]
KINDS = ("cam", "affinity", "deeplab")
CLASSES = ("cat", "dog")


def settings(**changes: Any) -> dict[str, Any]:
    """A `backbone` section on resnet18, with what the defaults have for resnet38."""
    return {
        "name": "resnet18",
        "output_stride": 8,
        "width": 0.125,
        "dilations": [1, 1, 1],
        "dropout": [0.0, 0.0],
        "weights": None,
        "freeze_batch_norm": False,
        "frozen_stages": [],
        **changes,
    }


def stage_settings(kind: str, **changes: Any) -> dict[str, Any]:
    """A stage's settings out of `config.yaml`, on resnet18."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    variant = "ssenet" if kind == "cam" else "default"
    return {**resolve(config, kind, variant), "backbone": settings(**changes)}


def published(name: str) -> models.ResNet:
    """torchvision's network, with random weights and statistics, in evaluation mode."""
    torch.manual_seed(1)
    network = BUILDERS[name](weights=None)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def ours(network: models.ResNet, name: str, stride: int) -> TorchvisionResNet:
    backbone = TorchvisionResNet(name, output_stride=stride).eval()
    backbone.load_state_dict({k: v for k, v in network.state_dict().items() if k[:3] != "fc."})
    return backbone


def its_taps(network: models.ResNet, x: torch.Tensor) -> list[torch.Tensor]:
    """torchvision's own features after layer2, layer3 and layer4."""
    x = network.layer1(network.maxpool(network.relu(network.bn1(network.conv1(x)))))
    second = network.layer2(x)
    third = network.layer3(second)
    return [second, third, network.layer4(third)]


@pytest.mark.parametrize(
    ("name", "channels"), [("resnet18", 512), ("resnet50", 2048), ("resnet101", 2048)]
)
@pytest.mark.parametrize("stride", [8, 16])
def test_shapes(name: str, channels: int, stride: int) -> None:
    with torch.device("meta"):
        backbone = build_backbone(settings(name=name, output_stride=stride))
        taps = backbone.taps(torch.zeros(2, 3, 63, 90))
    assert backbone.stride == stride
    assert backbone.channels == channels
    assert [tap.shape[1] for tap in taps] == list(backbone.tap_channels)
    assert {tap.shape[2:] for tap in taps} == {(-(-63 // stride), -(-90 // stride))}


@pytest.mark.parametrize(
    ("name", "stride"), [("resnet18", 8), ("resnet18", 16), ("resnet50", 8), ("resnet50", 16)]
)
@torch.inference_mode()
def test_dilation_keeps_what_the_published_network_computes(name: str, stride: int) -> None:
    """On the cells that both have: every 4th of our layer4 at stride 8 is the published layer4."""
    network = published(name).double()
    backbone = ours(network, name, stride).double()
    image = torch.randn(1, 3, 75, 98, dtype=torch.float64)
    pairs = zip((8, 16, 32), backbone.taps(image), its_taps(network, image), strict=True)
    for natural, tap, theirs in pairs:
        ahead, behind = max(1, natural // stride), max(1, stride // natural)
        torch.testing.assert_close(
            tap[:, :, ::ahead, ::ahead], theirs[:, :, ::behind, ::behind], rtol=1e-9, atol=1e-9
        )


@torch.inference_mode()
def test_bottlenecks_are_dilated_as_torchvision_does_it() -> None:
    network = published("resnet50")
    dilated = models.resnet50(weights=None, replace_stride_with_dilation=[False, True, True])
    dilated.load_state_dict(network.state_dict())
    image = torch.randn(1, 3, 64, 48)
    torch.testing.assert_close(
        ours(network, "resnet50", 8)(image), its_taps(dilated.eval(), image)[-1]
    )


@pytest.mark.parametrize("stride", [8, 16])
def test_cell_i_looks_at_pixel_stride_times_i(stride: int) -> None:
    """The gradient of a cell's activation is centred on pixel stride * i, on both axes."""
    torch.manual_seed(0)
    network = TorchvisionResNet("resnet18", output_stride=stride).eval()
    weight = torch.zeros(2, 161)
    for _ in range(4):
        image = torch.randn(1, 3, 161, 161, requires_grad=True)
        network(image)[0, :, 80 // stride, 80 // stride].sum().backward()
        assert image.grad is not None
        slope = image.grad.abs().sum(dim=(0, 1))
        weight += torch.stack([slope.sum(dim=1), slope.sum(dim=0)])
    centres = (weight * torch.arange(161)).sum(dim=1) / weight.sum(dim=1)
    middle_of_block = 80 + (stride - 1) / 2
    assert ((centres - 80).abs() < (centres - middle_of_block).abs()).all()


@pytest.mark.parametrize("stride", [8, 16])
@torch.inference_mode()
def test_the_mirrored_network_gives_mirrored_features(stride: int) -> None:
    """Exact on stride * k + 1 pixels, where cells at stride * i are symmetric about the middle."""
    network = TorchvisionResNet("resnet18", output_stride=stride).eval()
    image = torch.randn(1, 3, 65, 97)
    features = network(image)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.copy_(module.weight.flip(3))
    torch.testing.assert_close(network(image.flip(3)).flip(3), features, atol=1e-4, rtol=1e-4)


def test_freezing_keeps_weights_and_statistics() -> None:
    """A frozen stage is frozen whole, its batch normalisation with it."""
    backbone = build_backbone(settings(frozen_stages=["conv1", "layer1"])).train()
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    backbone(torch.randn(2, 3, 32, 32)).sum().backward()
    frozen = {name for name, value in backbone.named_parameters() if value.grad is None}
    optimizer = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], lr=0.1)
    optimizer.step()
    same = {name for name, value in backbone.state_dict().items() if value.equal(before[name])}
    stages = ("conv1.", "bn1.", "layer1.")
    assert frozen == {n for n, _ in backbone.named_parameters() if n.startswith(stages)}
    assert same == {name for name in before if name.startswith(stages)}


def test_frozen_batch_norm_stays_in_evaluation_mode() -> None:
    backbone = build_backbone(settings(freeze_batch_norm=True)).train()
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert backbone.training
    assert norms
    assert not any(norm.training or norm.weight.requires_grad for norm in norms)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_in_torchvisions_naming(tmp_path: Path, suffix: str) -> None:
    state = published("resnet18").state_dict()
    # As the older files of published weights have it.
    state = {name: value for name, value in state.items() if "num_batches" not in name}
    path = tmp_path / f"resnet18{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    backbone = build_backbone(settings())
    load_backbone_weights(backbone, path)
    loaded = backbone.state_dict()
    assert {name for name in state if name not in loaded} == {"fc.weight", "fc.bias"}
    assert all(loaded[name].equal(state[name]) for name in state if name in loaded)


def test_wrong_weights_are_named(tmp_path: Path) -> None:
    state = published("resnet18").state_dict()
    del state["layer3.0.conv1.weight"]
    state["layer2.0.conv1.weight"] = torch.zeros(2, 3)
    state["stray"] = torch.zeros(1)
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(SSENetError) as caught:
        load_backbone_weights(build_backbone(settings()), tmp_path / "odd.pth")
    for words in (
        "odd.pth",
        "missing: layer3.0.conv1.weight",
        "not its own: stray",
        "layer2.0.conv1.weight (2, 3) instead of (128, 64, 3, 3)",
    ):
        assert words in str(caught.value)


def test_another_networks_weights_are_named_in_short(tmp_path: Path) -> None:
    torch.save(published("resnet18").state_dict(), tmp_path / "resnet18.pth")
    with torch.device("meta"):
        larger = build_backbone(settings(name="resnet101"))
    with pytest.raises(SSENetError, match=r"resnet18\.pth: these weights.*and \d+ more") as caught:
        load_backbone_weights(larger, tmp_path / "resnet18.pth")
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_comes_back_and_gives_its_backbone(tmp_path: Path, kind: str) -> None:
    stage = stage_settings(kind, output_stride=16)
    network = build_network(kind, stage, CLASSES).eval()
    path = tmp_path / "model.pt"
    save_checkpoint(path, network, kind=kind, settings=stage, classes=CLASSES)
    loaded, _ = load_checkpoint(path, kind, torch.device("cpu"))
    image = torch.randn(1, 3, 33, 48)
    torch.testing.assert_close(loaded(image), network(image))
    assert loaded.backbone.stride == 16
    finer = build_backbone(settings(output_stride=8))
    load_backbone_weights(finer, path)
    assert finer.conv1.weight.equal(network.backbone.conv1.weight)


def batch(kind: str, stride: int) -> dict[str, torch.Tensor]:
    images = torch.randn(2, 3, 96, 96)
    if kind == "cam":
        return {"image": images, "tags": torch.eye(2)}
    edge = 96 // stride if kind == "affinity" else 96
    labels = torch.randint(0, 3, (2, edge, edge), dtype=torch.uint8)
    return {"image": images, "labels": labels}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stride", [8, 16])
def test_a_training_step_changes_the_weights(kind: str, stride: int) -> None:
    torch.manual_seed(0)
    stage = stage_settings(kind, output_stride=stride, frozen_stages=["conv1"])
    network = build_network(kind, stage, CLASSES).train()
    optimizer = build_optimizer(network, network.head(), stage["optimizer"])
    losses = {"cam": cam_loss, "affinity": lambda s: pair_loss(s["radius"])}
    loss = losses.get(kind, lambda s: pixel_loss)(stage)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    value = loss(network, batch(kind, stride))["loss"]
    value.backward()
    optimizer.step()
    assert value.isfinite()
    after = network.state_dict()
    for name in ("layer1.0.conv1.weight", "layer4.1.conv2.weight"):
        assert not after[f"backbone.{name}"].equal(before[f"backbone.{name}"])
    assert after["backbone.conv1.weight"].equal(before["backbone.conv1.weight"])


@pytest.mark.parametrize("stride", [8, 16])
@torch.inference_mode()
def test_the_walk_keeps_the_image_size(stride: int) -> None:
    stage = stage_settings("affinity", output_stride=stride)
    network = build_network("affinity", stage, CLASSES).eval()
    image = Image.fromarray(np.zeros((41, 70, 3), np.uint8))
    maps = np.ones((1, 41, 70), np.float32)
    walk = {**stage["random_walk"], "steps_log2": 2}
    scores = walked_scores(network, image, ClassMaps("grey", maps, np.array([2]), {}), walk)
    assert scores.shape == (2, 41, 70)
    np.testing.assert_allclose(scores[1], 1, atol=1e-4)


def test_narrow_and_wide_settings_build_the_same() -> None:
    """Keys of resnet38 that the defaults bring along have no effect."""
    shapes = [
        [tuple(p.shape) for p in build_backbone(settings(width=width)).parameters()]
        for width in (0.125, 1.0)
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "resnet38", "output_stride": 16}, r"found 16, allowed for resnet38: 8"),
        ({"output_stride": 32}, r"output_stride: found 32, allowed for resnet18: 8 or 16"),
        ({"frozen_stages": ["conv1a", "layer1"]}, r"resnet18 has no conv1a; it has conv1, layer1"),
        ({"name": "resnet38", "frozen_stages": ["layer1"]}, r"resnet38 has no layer1"),
        ({"name": "vgg16"}, r"found 'vgg16', allowed: resnet38 or resnet18"),
    ],
)
def test_what_a_backbone_cannot_do_is_said(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SSENetError, match=message):
        build_backbone(settings(**change))


def test_every_architecture_of_the_catalogue_builds() -> None:
    with torch.device("meta"):
        for name, architecture in BACKBONES.items():
            for stride in architecture.output_strides:
                section = settings(name=name, output_stride=stride)
                section["frozen_stages"] = list(architecture.stages)
                assert not list(backbone_faults(section))
                backbone = build_backbone(section)
                assert backbone.stride == stride
                assert not any(p.requires_grad for p in backbone.parameters())


def configuration(**changes: dict[str, Any]) -> dict[str, Any]:
    """`config.yaml` with these keys of each section's default backbone."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for section, change in changes.items():
        defaults = config[section]["defaults"]
        defaults["backbone"] = {**defaults["backbone"], **change}
    return config


def test_the_configuration_takes_torchvisions_networks() -> None:
    change = {"name": "resnet50", "output_stride": 16, "frozen_stages": ["conv1", "layer1"]}
    validate(
        configuration(cam=change, affinity=change, deeplab=change), ROOT / "config.schema.yaml"
    )


@pytest.mark.parametrize(
    ("sections", "change", "message"),
    [
        (KINDS, {"output_stride": 16}, r"cam variant ssenet: backbone\.output_stride.*resnet38: 8"),
        (KINDS, {"output_stride": 32}, r"output_stride: found 32, allowed: 8 or 16"),
        (KINDS, {"frozen_stages": ["layer1"]}, r"resnet38 has no layer1; it has conv1a"),
        (KINDS, {"frozen_stages": ["layer9"]}, r"frozen_stages\[0\]: found 'layer9'"),
        (KINDS, {"name": "resnet5"}, r"found 'resnet5', allowed: resnet38 or resnet18"),
        (("cam",), {"name": "resnet18"}, r"resnet38 of width 0\.125 cannot take.*resnet18"),
        (("deeplab",), {"width": 0.25}, r"run\.chains\[0\]\.deeplab: .*width 0\.25 cannot"),
    ],
)
def test_the_configuration_names_a_mistake(
    sections: tuple[str, ...], change: dict[str, Any], message: str
) -> None:
    config = configuration(**dict.fromkeys(sections, change))
    with pytest.raises(SSENetError, match=message):
        validate(config, ROOT / "config.schema.yaml")


def test_a_variants_key_without_effect_is_named() -> None:
    config = configuration(**{kind: {"name": "resnet18"} for kind in KINDS})
    config["cam"]["variants"]["wide"] = {"backbone": {"width": 0.5}}
    with pytest.raises(SSENetError, match=r"wide: backbone\.width: resnet18 takes no notice"):
        validate(config, ROOT / "config.schema.yaml")


def test_cells_of_the_affinity_labels_fill_the_crop() -> None:
    change = {"name": "resnet18", "output_stride": 16}
    config = configuration(cam=change, affinity=change, deeplab=change)
    config["affinity"]["defaults"]["crop"] = 104
    with pytest.raises(SSENetError, match=r"crop 104 must be a multiple.*16"):
        validate(config, ROOT / "config.schema.yaml")
