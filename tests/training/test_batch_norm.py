"""Batch normalisation over several GPUs: torch's, in place of the networks' own layers.

Torch's synchronised layer computes on GPUs alone, so here only the exchange is tested.
"""

import copy

import pytest
import torch
from timm.layers import BatchNormAct2d, convert_sync_batchnorm
from torch import nn

from ssenet_core.models.backbone import Backbone, batch_norms
from ssenet_core.models.networks import DeepLab
from ssenet_core.models.resnet38 import ResNet38
from ssenet_core.models.timm_backbone import TimmBackbone


def backbone(kind: str, **settings: object) -> Backbone:
    if kind == "resnet38":
        return ResNet38(1 / 32, **settings)
    return TimmBackbone(kind, **settings)


@pytest.mark.parametrize("kind", ["resnet38", "efficientnet_lite0"])
def test_all_layers_are_replaced_and_compute_the_same(kind: str) -> None:
    """Activations that timm has inside of its normalisation stay, too."""
    torch.manual_seed(0)
    plain = DeepLab(backbone(kind), 3, channels=8, dilation=1, dropout=0.0)
    network = convert_sync_batchnorm(copy.deepcopy(plain))
    assert list(network.state_dict()) == list(plain.state_dict())
    norms = list(batch_norms(network))
    assert len(norms) == len(list(batch_norms(plain)))
    assert all(isinstance(norm, nn.SyncBatchNorm) for norm in norms)
    assert any(isinstance(norm, BatchNormAct2d) for norm in batch_norms(plain)) == (
        kind != "resnet38"
    )
    images = torch.randn(2, 3, 64, 64)
    for one, other in ((plain, network), (plain.eval(), network.eval())):
        torch.testing.assert_close(other(images), one(images))


def test_frozen_layers_stay_frozen() -> None:
    network = convert_sync_batchnorm(backbone("resnet38", freeze_batch_norm=True))
    network.train()
    assert not any(norm.training for norm in batch_norms(network))
