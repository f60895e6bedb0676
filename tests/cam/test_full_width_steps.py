"""Three steps of the paper's recipe at full width, against the published steps written out.

In float64 but for the losses: in float32 rounding alone adds some 5e-5 of the weights' way, here it
is below 1e-7.
"""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from stage_settings import CONFIG
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from ssenet_core.cam.training import cam_loss
from ssenet_core.models.networks import build_network
from ssenet_core.settings import load, merged
from ssenet_core.training.engine import Batch, Training, fit
from ssenet_core.training.run import TrainingRun

CROP, CLASSES, STEPS = (112, 112), 20, 3
RECIPE = Path(__file__).parents[2] / "recipes" / "voc2012.yaml"


class TwoImages(Dataset[Batch]):
    """Noise in patches, with a class each and one in both."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, draw: Any) -> Batch:
        seeded = torch.Generator().manual_seed(draw.image)
        coarse = torch.randn(3, 14, 14, dtype=torch.float64, generator=seeded)
        tags = torch.zeros(CLASSES)
        tags[[draw.image, 7]] = 1
        image = coarse.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)
        return {"image": image, "tags": tags, "id": str(draw.image)}


def random_network(settings: Any) -> nn.Module:
    """Random weights; the frozen normalisation has the images' statistics, or numbers would grow
    from layer to layer."""
    torch.manual_seed(0)
    network = build_network(settings, [f"class {label}" for label in range(CLASSES)])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
            module.momentum = 1.0
    with torch.no_grad():
        network(torch.randn(1, 3, 14, 14).repeat_interleave(8, dim=2).repeat_interleave(8, dim=3))
    return network.double()


def up_sampled(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)


def published_loss(network: nn.Module, images: Tensor, tags: Tensor, rate: float) -> Tensor:
    """All maps at their views' pixels; the large view's resized to the small view's."""
    size = int(rate * CROP[0]), int(rate * CROP[1])
    large = up_sampled(network(images), CROP)
    small = up_sampled(network(up_sampled(images, size)), size)
    loss = functional.multilabel_soft_margin_loss(large.mean(dim=(2, 3)), tags) / 2
    loss = loss + functional.multilabel_soft_margin_loss(small.mean(dim=(2, 3)), tags) / 2
    positive = [maps.relu() for maps in (up_sampled(large, size), small)]
    a, b = (maps / (maps.amax(dim=(2, 3), keepdim=True) + 1e-5) for maps in positive)
    return loss + ((a - b) * tags[:, :, None, None]).square().mean()


@pytest.mark.slow
def test_weights_after_three_steps(tmp_path: Path) -> None:
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    settings = load(merged(CONFIG, recipe)).cam.resolve("ssenet")
    # An epoch of two images is one step.
    change = {"batch_size": 2, "precision": "64-true", "epochs": STEPS}
    settings = settings.model_copy(update=change)
    network = random_network(settings)
    start, other = copy.deepcopy(network.state_dict()), copy.deepcopy(network).train()
    batches: list[Batch] = []

    def noted(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        batches.append(batch)
        return cam_loss(settings)(network, batch)

    names = tuple(f"class {label}" for label in range(CLASSES))
    training = Training(network, TwoImages(), noted, settings, names, data="")
    fit(training, TrainingRun("", tmp_path / "model.pt", tmp_path / "metrics.csv"))

    for step, batch in enumerate(batches):
        torch.manual_seed(settings.seed * 1_000_003 + step)  # of dropout
        published_loss(other, batch["image"], batch["tags"], rate=0.3).backward()
        with torch.no_grad():
            for name, weight in other.named_parameters():
                if weight.grad is not None:
                    rate = 0.01 * (1 - step / STEPS) ** 0.9
                    rate *= 10 if name == "classifier.weight" else 1
                    weight -= rate * (weight.grad + 5e-4 * weight)
                    weight.grad = None

    found, expected = network.state_dict(), other.state_dict()
    for part in ("classifier", "b7", "b6", "b5", "b4", "b3"):
        weights = [name for name in start if part in name and name.endswith("weight")]
        way, gap = (
            torch.stack([(one[name] - found[name]).norm() for name in weights]).norm()
            for one in (start, expected)
        )
        assert gap <= 1e-6 * way, part
    for name in start:
        if name.startswith(("backbone.conv1a", "backbone.b2")):
            assert torch.equal(found[name], start[name])
