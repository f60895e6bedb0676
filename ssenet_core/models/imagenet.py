"""The published ImageNet weights of ResNet-38: from MXNet's names to this package's.

In: arrays of `ilsvrc-cls_rna-a1_cls1000_ep-0001.params`, by name. Out: a state for `ResNet38`, or a
`.safetensors` file of it. Fails with `SSENetError` that names every array that is missing.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import atomic_path
from ssenet_core.models.mxnet_params import read_params
from ssenet_core.models.resnet38 import ResNet38

CLASSIFIER = "linear1000_"  # of ImageNet's thousand classes; has no use here
NORM_ARRAYS = {
    "weight": "arg:{}_gamma",
    "bias": "arg:{}_beta",
    "running_mean": "aux:{}_moving_mean",
    "running_var": "aux:{}_moving_var",
}


def convert_resnet38(source: str | Path, target: str | Path) -> None:
    """Write the weights of an MXNet `.params` file as `.safetensors`, whole or not at all.

    Raises:
        SSENetError: the source is damaged, or is not ResNet-38's at full width.
    """
    state = read_resnet38(source)
    with torch.device("meta"):
        expected = ResNet38().state_dict()
    wrong = [
        f"{name}: expected {tuple(tensor.shape)}, found {tuple(state[name].shape)}"
        for name, tensor in expected.items()
        if state[name].shape != tensor.shape
    ]
    if wrong:
        raise SSENetError(f"{source}: not the published ResNet-38:\n" + "\n".join(wrong))
    with atomic_path(target) as path:
        save_file(state, path)


def read_resnet38(path: str | Path) -> dict[str, Tensor]:
    """The state of a `ResNet38` from an MXNet `.params` file, float32.

    Raises:
        SSENetError: the file is damaged; arrays are missing, or of another network.
    """
    arrays = read_params(path)
    wanted = dict(_names())
    missing = sorted(set(wanted.values()) - set(arrays))
    unknown = sorted(
        name
        for name in set(arrays) - set(wanted.values())
        if not name.partition(":")[2].startswith(CLASSIFIER)
    )
    if missing or unknown:
        raise SSENetError(
            f"{path}: not ResNet-38's arrays; missing: {', '.join(missing) or 'none'}; "
            f"not its own: {', '.join(unknown) or 'none'}"
        )
    return _state(arrays, wanted)


def _state(arrays: Mapping[str, NDArray[Any]], wanted: Mapping[str, str]) -> dict[str, Tensor]:
    state = {ours: torch.tensor(arrays[theirs]).float() for ours, theirs in wanted.items()}
    steps = [name for name in state if name.endswith("running_mean")]
    counted = {name.replace("running_mean", "num_batches_tracked") for name in steps}
    return state | {name: torch.tensor(0) for name in sorted(counted)}


def _names() -> Iterator[tuple[str, str]]:
    """Each parameter's name here, and there."""
    with torch.device("meta"):
        state = ResNet38(1 / 64).state_dict()
    for name in state:
        module, _, kind = name.rpartition(".")
        if kind == "num_batches_tracked":
            continue
        layer = _layer(module)
        if module.rpartition(".")[2].startswith("bn"):
            yield name, NORM_ARRAYS[kind].format(layer)
        else:
            yield name, f"arg:{layer}_weight"


def _layer(module: str) -> str:
    """MXNet's name of a layer: `b4.2.conv2b1` is its res4b2_branch2b1, `b6.bn2a` bn6a_branch2a."""
    stage, _, rest = module.partition(".")
    if not rest:
        return stage  # conv1a and bn7
    block, _, layer = rest.rpartition(".")
    kind, branch = ("bn", layer[2:]) if layer.startswith("bn") else ("res", layer[4:])
    place = "a" if block in ("", "0") else f"b{block}"
    return f"{kind}{stage[1:]}{place}_branch{branch}"
