"""ResNet-38 (model A1 of Wu, Shen and van den Hengel), dilated to an output stride of 8.

It maps normalised images (batch, 3, H, W) to features (batch, 4096 x width, ceil(H / 8),
ceil(W / 8)). Cell i of an output row is centred on pixel 8 i, as each stride-2 convolution is
centred on its first pixel.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.models.backbone import Backbone


def _conv(inputs: int, outputs: int, size: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    padding = dilation * (size // 2)
    return nn.Conv2d(inputs, outputs, size, stride, padding, dilation, bias=False)


class ResidualBlock(nn.Module):
    """Pre-activation block of two 3 x 3 convolutions."""

    def __init__(
        self,
        inputs: int,
        middle: int,
        outputs: int,
        *,
        stride: int = 1,
        first_dilation: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.bn2a = nn.BatchNorm2d(inputs)
        self.conv2a = _conv(inputs, middle, 3, stride, first_dilation)
        self.bn2b1 = nn.BatchNorm2d(middle)
        self.conv2b1 = _conv(middle, outputs, 3, 1, dilation)
        keeps_shape = inputs == outputs and stride == 1
        self.conv1 = None if keeps_shape else _conv(inputs, outputs, 1, stride)

    def activate(self, x: Tensor) -> Tensor:
        """The block's pre-activation of its input, which AffinityNet uses."""
        return functional.relu(self.bn2a(x))

    def forward(self, x: Tensor) -> Tensor:
        active = self.activate(x)
        shortcut = x if self.conv1 is None else self.conv1(active)
        return shortcut + self.conv2b1(functional.relu(self.bn2b1(self.conv2a(active))))


class BottleneckBlock(nn.Module):
    """Pre-activation block 1 x 1, dilated 3 x 3, 1 x 1, with dropout before the last two."""

    def __init__(self, inputs: int, outputs: int, *, dilation: int, dropout: float) -> None:
        super().__init__()
        quarter, half = outputs // 4, outputs // 2
        self.conv1 = _conv(inputs, outputs, 1)
        self.bn2a = nn.BatchNorm2d(inputs)
        self.conv2a = _conv(inputs, quarter, 1)
        self.bn2b1 = nn.BatchNorm2d(quarter)
        self.conv2b1 = _conv(quarter, half, 3, 1, dilation)
        self.bn2b2 = nn.BatchNorm2d(half)
        self.conv2b2 = _conv(half, outputs, 1)
        self.dropout = nn.Dropout2d(dropout)

    def activate(self, x: Tensor) -> Tensor:
        """The block's pre-activation of its input, which AffinityNet uses."""
        return functional.relu(self.bn2a(x))

    def forward(self, x: Tensor) -> Tensor:
        active = self.activate(x)
        inner = self.dropout(functional.relu(self.bn2b1(self.conv2a(active))))
        inner = self.dropout(functional.relu(self.bn2b2(self.conv2b1(inner))))
        return self.conv1(active) + self.conv2b2(inner)


class ResNet38(Backbone):
    """ResNet-38 without its classifier.

    Args:
        width: factor of all channel counts; 1 is the published network (105,070,912 parameters).
        dilations: of stages b5, b6 and b7; the published ones suit images of some 500 pixels.
        dropout: dropout rates of stages b6 and b7.
        freeze_batch_norm: as for every `Backbone`.
        frozen_stages: out of conv1a, b2, b3, b4, b5, b6, b7 and bn7.
    """

    stride = 8

    def __init__(
        self,
        width: float = 1.0,
        *,
        dilations: tuple[int, int, int] = (2, 4, 4),
        dropout: tuple[float, float] = (0.3, 0.5),
        freeze_batch_norm: bool = False,
        frozen_stages: Sequence[str] = (),
    ) -> None:
        super().__init__(freeze_batch_norm=freeze_batch_norm, frozen_stages=frozen_stages)
        c64, c128, c256, c512, c1024, c2048, c4096 = (
            max(4, round(width * channels)) for channels in (64, 128, 256, 512, 1024, 2048, 4096)
        )
        self.conv1a = _conv(3, c64, 3)
        self.b2 = _stage(c64, c128, c128, 3, stride=2)
        self.b3 = _stage(c128, c256, c256, 3, stride=2)
        self.b4 = _stage(c256, c512, c512, 6, stride=2)
        self.b5 = _stage(c512, c512, c1024, 3, dilation=dilations[0])
        self.b6 = BottleneckBlock(c1024, c2048, dilation=dilations[1], dropout=dropout[0])
        self.b7 = BottleneckBlock(c2048, c4096, dilation=dilations[2], dropout=dropout[1])
        self.bn7 = nn.BatchNorm2d(c4096)
        self.channels = c4096
        self.tap_channels = (c512, c1024, c4096)
        # 64, 128, 256 in the published network; the same shares in a narrow one.
        self.embedding_channels = (max(8, c512 // 8), max(8, c1024 // 8), max(8, c4096 // 16))
        self._initialise()
        self.freeze()

    def compute_taps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pre-activated features after stages 4, 5 and 7, all at stride 8."""
        x = self.b4(self.b3(self.b2(self.conv1a(x))))
        first: ResidualBlock = self.b5[0]  # type: ignore[assignment]
        conv4 = first.activate(x)
        x = self.b5(x)
        conv5 = self.b6.activate(x)
        conv6 = functional.relu(self.bn7(self.b7(self.b6(x))))
        return conv4, conv5, conv6

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")


def _stage(
    inputs: int, middle: int, outputs: int, blocks: int, *, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """A stage; its first block changes the shape, and its first convolution is not dilated."""
    first = ResidualBlock(inputs, middle, outputs, stride=stride, dilation=dilation)
    rest = [
        ResidualBlock(outputs, middle, outputs, first_dilation=dilation, dilation=dilation)
        for _ in range(blocks - 1)
    ]
    return nn.Sequential(first, *rest)
