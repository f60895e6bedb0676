"""Which backbone a file of weights is of."""

from pathlib import Path

from ssenet_core.data.layout import listing
from ssenet_core.errors import SSENetError
from ssenet_core.models.backbones import build_backbone, load_backbone_weights
from ssenet_core.models.catalogue import BACKBONES

PLAIN = {"output_stride": 8, "freeze_batch_norm": False, "frozen_stages": ()}


def backbone_of(path: str | Path) -> str:
    """The name of the backbone whose weights a `.pth` or `.safetensors` file holds.

    Raises:
        SSENetError: the file is missing, damaged, or of another network.
    """
    if not Path(path).is_file():
        raise SSENetError(f"{path}: expected a file of weights, there is no such file")
    names = [name for name in BACKBONES if name != "resnet38"]
    reasons = []
    for name in names:
        try:
            load_backbone_weights(build_backbone({"name": name, **PLAIN}), path)
        except SSENetError as error:
            reasons.append(str(error).removeprefix(f"{path}: "))
        else:
            return name
    heading = f"{path}: expected weights of {', '.join(names)}"
    raise SSENetError(listing(heading, list(dict.fromkeys(reasons))))
