"""The three networks of the pipeline, each a backbone with a head, and how settings build them.

A network maps normalised images (batch, 3, H, W) to the backbone's grid, (batch, channels,
ceil(H / stride), ceil(W / stride)). Raises `SSENetError` for a backbone that timm cannot provide.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.models.backbone import Backbone, batch_norms
from ssenet_core.models.catalogue import TIMM, norm_epsilon, normalisation
from ssenet_core.models.resnet38 import ResNet38
from ssenet_core.models.timm_backbone import TimmBackbone
from ssenet_core.settings import AffinityTraining, AnyTraining, BackboneSettings, CamTraining


class CamNetwork(nn.Module):
    """Class activation maps: dropout and a 1 x 1 convolution without bias (paper, Fig. 3)."""

    def __init__(self, backbone: Backbone, classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(backbone.channels, classes, 1, bias=False)
        nn.init.xavier_uniform_(self.classifier.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Class maps before any ReLU, (batch, classes, h, w)."""
        return self.classifier(self.dropout(self.backbone(images)))

    def head(self) -> list[nn.Module]:
        """The modules without pretrained weights."""
        return [self.classifier]


class AffinityNetwork(nn.Module):
    """AffinityNet (Ahn and Kwak 2018): three taps of the backbone, embedded and mixed."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        sizes = backbone.embedding_channels
        self.embeddings = nn.ModuleList(
            nn.Conv2d(tap, size, 1, bias=False)
            for tap, size in zip(backbone.tap_channels, sizes, strict=True)
        )
        self.mix = nn.Conv2d(sum(sizes), sum(sizes), 1, bias=False)
        for embedding in self.embeddings:
            nn.init.kaiming_normal_(embedding.weight)  # type: ignore[arg-type]
        nn.init.xavier_uniform_(self.mix.weight, gain=4)

    def forward(self, images: Tensor) -> Tensor:
        """Affinity features, (batch, features, h, w)."""
        embedded = [
            functional.elu(embedding(tap))
            for embedding, tap in zip(self.embeddings, self.backbone.taps(images), strict=True)
        ]
        return functional.elu(self.mix(torch.cat(embedded, dim=1)))

    def head(self) -> list[nn.Module]:
        """The modules without pretrained weights."""
        return [*self.embeddings, self.mix]


class DeepLab(nn.Module):
    """DeepLab with a large field of view: dilated 3 x 3, 1 x 1 and a classifier on the backbone.

    Args:
        backbone: provides the features.
        classes: number of classes, the background included.
        channels: number of channels of the two hidden layers.
        dilation: of the 3 x 3 convolution, cells. If it is as large as the map, only the central
            weight sees the map; the others see padding.
        dropout: dropout rate before the classifier.
        kind: "plain", or "successor", as in the next network of the paper's authors: dropout of
            elements instead of channels; Kaiming initialisation (by the outputs in the hidden
            layers, by the inputs in the classifier); batch normalisation without learned scale and
            shift.
        align_corners: whether scores are up-sampled with the outer cells' centres on the outer
            pixels' centres, in the loss and in prediction.
    """

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        channels: int,
        dilation: int,
        dropout: float,
        kind: str = "plain",
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.align_corners = align_corners
        self.fc6 = nn.Conv2d(
            backbone.channels, channels, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.bn6 = nn.BatchNorm2d(channels)
        self.fc7 = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn7 = nn.BatchNorm2d(channels)
        successor = kind == "successor"
        self.dropout = nn.Dropout(dropout) if successor else nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(channels, classes, 1)
        mode: Literal["fan_in", "fan_out"] = "fan_out" if successor else "fan_in"
        for layer in (self.fc6, self.fc7):
            nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
        if successor:
            nn.init.kaiming_normal_(self.classifier.weight)
            self.bn6.requires_grad_(False)
            self.bn7.requires_grad_(False)
        else:
            nn.init.xavier_uniform_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Scores before the softmax, background first, (batch, classes, h, w)."""
        x = functional.relu(self.bn6(self.fc6(self.backbone(images))))
        x = functional.relu(self.bn7(self.fc7(x)))
        return self.classifier(self.dropout(x))

    def head(self) -> list[nn.Module]:
        """The modules without pretrained weights."""
        return [self.fc6, self.bn6, self.fc7, self.bn7, self.classifier]


def build_network(
    settings: AnyTraining, classes: Sequence[str]
) -> CamNetwork | AffinityNetwork | DeepLab:
    """The network of a stage with random weights; the class of its settings determines the stage.

    Args:
        settings: `backbone` is read, and `dropout` (cam) or `head` (deeplab).
        classes: foreground class names.
    """
    backbone = build_backbone(settings.backbone)
    if isinstance(settings, CamTraining):
        return CamNetwork(backbone, len(classes), settings.dropout)
    if isinstance(settings, AffinityTraining):
        return AffinityNetwork(backbone)
    return DeepLab(backbone, len(classes) + 1, **settings.head.plain())


def build_backbone(settings: BackboneSettings) -> Backbone:
    """The backbone that settings describe, with random weights."""
    backbone: Backbone
    if settings.name == "resnet38":
        backbone = ResNet38(
            settings.width,
            dilations=settings.dilations,
            dropout=settings.dropout,
            freeze_batch_norm=settings.freeze_batch_norm,
            frozen_stages=settings.frozen_stages,
        )
    else:
        backbone = TimmBackbone(
            settings.name.removeprefix(TIMM),
            output_stride=settings.output_stride,
            normalisation=normalisation(settings.name),
            norm_epsilon=norm_epsilon(settings.name),
            freeze_batch_norm=settings.freeze_batch_norm,
            frozen_stages=settings.frozen_stages,
        )
    if settings.batch_norm_momentum is not None:
        for norm in batch_norms(backbone):
            norm.momentum = settings.batch_norm_momentum
    return backbone
