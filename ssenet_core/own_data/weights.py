"""First weights for someone's own photographs: what was asked for, and which backbone they are of.

Raises `SSENetError` for a backbone that there is not, and for a file that holds no backbone's.
"""

from dataclasses import dataclass
from pathlib import Path

from ssenet_core.data.layout import listing
from ssenet_core.errors import SSENetError
from ssenet_core.models.catalogue import BACKBONES, IMAGENET_WEIGHTS, is_packaged, weights_file
from ssenet_core.settings import BackboneSettings, validated

USUAL = "efficientnet_lite0"  # its ImageNet weights come with this package's requirements
NONE = "none"
RESNET38 = "resnet38"
FOLDER = "data/weights"  # of config.yaml


@dataclass(frozen=True)
class Weights:
    """First weights.

    Attributes:
        backbone: whose they are.
        source: as `backbone.weights` has it: "imagenet", or a file's path.
    """

    backbone: str
    source: str

    @property
    def awaited(self) -> str | None:
        """The file that the workflow needs of them and no package brings; None if it needs none."""
        if self.source != IMAGENET_WEIGHTS or is_packaged(self.backbone):
            return None
        return weights_file(self.backbone, FOLDER)


def first_weights(source: str, backbone: str | None) -> Weights | None:
    """The first weights that were asked for; None to train from random ones.

    Args:
        source: "imagenet", "none", or a file.
        backbone: a name of the catalogue or "timm:NAME"; None for the usual one, or the file's.
    """
    if source == NONE:
        if backbone is not None:
            raise SSENetError(
                f"--backbone {backbone}: from random weights, a narrow ResNet-38 is trained alone; "
                "leave out --backbone, or --weights none"
            )
        return None
    if backbone is not None:
        _check(backbone)
    if source == IMAGENET_WEIGHTS:
        return Weights(backbone or USUAL, IMAGENET_WEIGHTS)
    path = Path(source)
    return Weights(backbone or _backbone_of(path), str(path.absolute()))


def _check(backbone: str) -> None:
    if backbone == RESNET38:
        raise SSENetError(
            "--backbone resnet38: the paper's network is too large for a start from here; "
            "recipes/voc2012.yaml has its settings"
        )
    _plain_backbone(backbone)


def _plain_backbone(name: str) -> BackboneSettings:
    """The settings of a backbone that learns whole, from random weights."""
    plain = {"weights": None, "freeze_batch_norm": False, "frozen_stages": ()}
    return validated(BackboneSettings, {"name": name, **plain}, "backbone")


def _backbone_of(path: Path) -> str:
    """The name of the backbone whose weights a `.pth` or `.safetensors` file holds."""
    if not path.is_file():
        raise SSENetError(
            f"{path}: expected imagenet, none or a file of weights, there is no such file"
        )
    # PyTorch takes seconds to import.
    from ssenet_core.models.checkpoints import load_backbone_weights
    from ssenet_core.models.networks import build_backbone

    names = [name for name in BACKBONES if name != RESNET38]
    reasons = []
    for name in names:
        try:
            load_backbone_weights(build_backbone(_plain_backbone(name)), path)
        except SSENetError as error:
            reasons.append(str(error).removeprefix(f"{path}: "))
        else:
            return name
    heading = f"{path}: expected weights of {', '.join(names)}"
    raise SSENetError(listing(heading, list(dict.fromkeys(reasons))))
