"""torchvision's ResNets as backbones: without their classifier, dilated to a finer output.

In: normalised images (batch, 3, H, W). Out: features after layer4, (batch, channels, H / stride,
W / stride), rounded up. Names of the parameters are torchvision's. Nothing is downloaded.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torchvision import models

from ssenet_core.models.backbone import Backbone

BUILDERS = {
    "resnet18": models.resnet18,
    "resnet50": models.resnet50,
    "resnet101": models.resnet101,
}
STRIDES = {"layer2": 8, "layer3": 16, "layer4": 32}  # of the networks as they were published


class TorchvisionResNet(Backbone):
    """A ResNet of `BUILDERS`, from random weights.

    Args:
        name: a key of `BUILDERS`.
        output_stride: 8 or 16. Where a stride is left out, the convolutions behind it are dilated
            instead: weights trained at stride 32 see what they saw, on a finer grid.
        freeze_batch_norm: as for every `Backbone`.
        frozen_stages: out of conv1 (with bn1), layer1, layer2, layer3 and layer4.
    """

    head_prefixes = ("fc.",)

    def __init__(
        self,
        name: str,
        *,
        output_stride: int = 8,
        freeze_batch_norm: bool = False,
        frozen_stages: Sequence[str] = (),
    ) -> None:
        super().__init__(freeze_batch_norm=freeze_batch_norm, frozen_stages=frozen_stages)
        network = BUILDERS[name](weights=None)
        self.conv1, self.bn1 = network.conv1, network.bn1
        self.relu, self.maxpool = network.relu, network.maxpool
        self.layer1, self.layer2 = network.layer1, network.layer2
        self.layer3, self.layer4 = network.layer3, network.layer4
        self.stride = output_stride
        self.channels = network.fc.in_features
        self.tap_channels = (self.channels // 4, self.channels // 2, self.channels)
        self.embedding_channels = (64, 128, 256)
        dilation = 1
        for layer, stride in STRIDES.items():
            if stride > output_stride:
                _dilate(getattr(self, layer), dilation)
                dilation *= 2
        self.freeze()

    def taps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features after layer2, layer3 and layer4, all at the output stride, for AffinityNet."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        second = self.layer2(self.layer1(x))
        third = self.layer3(second)
        # At output stride 16, every other cell of layer2 looks at the pixel of an output's cell.
        step = self.stride // STRIDES["layer2"]
        return second[:, :, ::step, ::step], third, self.layer4(third)

    def stage(self, name: str) -> list[nn.Module]:
        """The modules of one stage; the first convolution's normalisation belongs to it."""
        return [self.conv1, self.bn1] if name == "conv1" else super().stage(name)


def _dilate(layer: nn.Module, before: int) -> None:
    """Take the stride of 2 out of a layer, and dilate what comes behind it twice as much.

    Args:
        layer: a stage of basic or bottleneck blocks; its strided 3 x 3 convolution is its first.
        before: dilation in front of the layer. The convolution that had the stride keeps it: its
            input's grid is as before, its output's twice as fine.
    """
    for conv in layer.modules():
        if not isinstance(conv, nn.Conv2d):
            continue
        strided = conv.stride != (1, 1)
        conv.stride = (1, 1)
        if conv.kernel_size == (3, 3):
            dilation = before if strided else 2 * before
            conv.dilation = conv.padding = (dilation, dilation)
