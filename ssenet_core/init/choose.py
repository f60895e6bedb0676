"""Choice of initial weights, and of sizes that suit the photographs and the machine.

Raises `SSENetError` for a backbone that there is not, and for a file that holds no backbone's
weights.
"""

import math
import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ssenet_core.compute import gpus_a_job
from ssenet_core.errors import SSENetError, listing
from ssenet_core.init.survey import Survey
from ssenet_core.models.catalogue import BACKBONES, IMAGENET_WEIGHTS, is_packaged, weights_file
from ssenet_core.settings import BackboneSettings, validated
from ssenet_core.settings.sections import LARGEST_SCALE

GIBIBYTE = 2**30
USUAL = "efficientnet_lite0"  # its ImageNet weights come with this package's requirements
NONE = "none"
RESNET38 = "resnet38"
FOLDER = "data/weights"  # of config.yaml
# How many stages of a kind of backbone stay as they are in the CAM network, and in DeepLab; of
# AffinityNet the head alone is trained.
FROZEN = {"resnet": (4, 4), "efficientnet": (6, 7), "convnext": (4, 4)}
# With initial weights: the settings that docs/results.md measures, and the quick ones beside them.
CROP = 320
CAM_IMAGES, AFFINITY_IMAGES = 285 * 6, 285 * 5  # seen in a training, by few photographs more often
CAM_EPOCHS, AFFINITY_EPOCHS = (6, 100), (5, 100)
DEEPLAB_EPOCHS, DEEPLAB_BATCH = 11, 8
DEEPLAB_STEPS = (400, 20000)
QUICK = 0.5  # of the epochs and steps
CELLS = 16  # pixels: crops are multiples of it
SMALLEST_CROP = 32
# Without initial weights: a narrow network at a size that its machine can train.
SCRATCH_CROP, SCRATCH_GPU_CROP = 128, 224
LEARNT = 285 * 70  # images seen by the first classifier, with which docs/results.md's were trained
EPOCHS = (20, 100)
MEMORY_A_JOB = 2.0  # GiB, of a per-image job
IMAGES_A_SHARD = 250
MOST_SHARDS = 144
MOST_THREADS = 8


@dataclass(frozen=True)
class Machine:
    """What there is to compute with.

    Attributes:
        cores: CPU cores that this process may use.
        memory: of the whole machine, GiB.
        gpu: name of the first GPU; None without one that can be used.
        gpu_memory: of that GPU, GiB; 0 without one.
    """

    cores: int
    memory: float
    gpu: str | None = None
    gpu_memory: float = 0.0

    def described(self) -> str:
        """In a few words."""
        cores = f"{self.cores} CPU core{'s' if self.cores > 1 else ''}"
        gpu = f"{self.gpu} with {self.gpu_memory:.0f} GiB" if self.gpu else "no GPU"
        return f"{cores}, {self.memory:.0f} GiB of memory, {gpu}"


def this_machine() -> Machine:
    """The machine that this runs on."""
    with_affinity = hasattr(os, "sched_getaffinity")  # Linux has it, macOS has not
    cores = len(os.sched_getaffinity(0)) if with_affinity else os.cpu_count() or 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIBIBYTE
    if not gpus_a_job("auto"):
        return Machine(cores, memory)
    import torch  # seconds, which a machine without a GPU need not wait

    if not torch.cuda.is_available():
        return Machine(cores, memory)
    found = torch.cuda.get_device_properties(0)
    return Machine(cores, memory, found.name, found.total_memory / GIBIBYTE)


@dataclass(frozen=True)
class Weights:
    """Initial weights.

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

    def frozen_in(self, network: Literal["cam", "affinity", "deeplab"]) -> list[str]:
        """The stages of the backbone that are not trained in one of the networks."""
        known = BACKBONES.get(self.backbone)
        stages = list(known.stages) if known else []
        kinds = (counts for kind, counts in FROZEN.items() if self.backbone.startswith(kind))
        in_cam, in_deeplab = next(kinds, (0, 0))
        counts = {"cam": in_cam, "affinity": len(stages), "deeplab": in_deeplab}
        return stages[: counts[network]]


def initial_weights(source: str, backbone: str | None) -> Weights | None:
    """The initial weights that were asked for; None to train from random ones.

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
    if backbone == RESNET38:
        raise SSENetError(
            "--backbone resnet38: the paper's network is too large for a start from here; "
            "recipes/voc2012.yaml has its settings"
        )
    if backbone is not None:
        _plain_backbone(backbone)
    if source == IMAGENET_WEIGHTS:
        return Weights(backbone or USUAL, IMAGENET_WEIGHTS)
    path = Path(source)
    return Weights(backbone or _backbone_of(path), str(path.absolute()))


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
    raise SSENetError(listing(heading, dict.fromkeys(reasons)))


@dataclass(frozen=True)
class Sizes:
    """What the settings in `templates/` are worked out from.

    Attributes:
        edge: longest edge of a middling photograph, pixels.
        crop: edge of the training crops, pixels.
        epochs: of the CAM network, or of the first classifier where it starts from random weights.
        affinity_epochs: of AffinityNet, where its backbone has initial weights.
        width: of ResNet-38, as a factor of its channels.
        iterations: DeepLab's training steps.
        views: longest edges of DeepLab's views for prediction, in crops.
        shards: jobs of a per-image stage.
        threads: of a training job.
        workers: processes that load data for it.
    """

    edge: int
    crop: int
    epochs: int
    affinity_epochs: int
    width: float
    iterations: int
    views: tuple[float, ...]
    shards: int
    threads: int
    workers: int

    def factors(self, *crops: float) -> list[float]:
        """Factors of a photograph's size at which its longest edge has so many crops' length."""
        factors = [float(f"{crop * self.crop / self.edge:.3g}") for crop in crops]
        return list(dict.fromkeys(min(factor, LARGEST_SCALE) for factor in factors))

    @property
    def prediction(self) -> list[float]:
        """The scales at which DeepLab predicts."""
        return self.factors(*self.views)


def choose_sizes(
    found: Survey, train: int, machine: Machine, weights: Weights | None, *, quick: bool = False
) -> Sizes:
    """Sizes for `train` training images out of the photographs found.

    Args:
        found: the photographs.
        train: number of training images.
        machine: what the sizes are to suit.
        weights: initial weights.
        quick: less accuracy in a fraction of the time.
    """
    edge = round(statistics.median(max(r.width, r.height) for r in found.records))
    workers = 1 if machine.cores < MOST_THREADS else 2
    if machine.gpu:
        workers = max(1, min(MOST_THREADS, machine.cores - 1))
    by_memory = min(machine.cores, int(machine.memory / MEMORY_A_JOB))
    by_images = math.ceil(len(found.records) / IMAGES_A_SHARD)
    scratch_crop = SCRATCH_GPU_CROP if machine.gpu else SCRATCH_CROP
    crop = max(SMALLEST_CROP, min(scratch_crop, edge // CELLS * CELLS))
    share = QUICK if quick else 1.0
    if weights:
        epochs = _within(round(CAM_IMAGES / train), CAM_EPOCHS)
        steps = _within(round(DEEPLAB_EPOCHS * train / DEEPLAB_BATCH), DEEPLAB_STEPS)
        views: tuple[float, ...] = (1.0,) if quick else (1.0, 1.5)
    else:
        epochs = _within(round(LEARNT / train), EPOCHS)
        steps = 2000 if machine.gpu else 800
        views = (1.0, 1.375, 1.75)
    affinity_epochs = _within(round(AFFINITY_IMAGES / train), AFFINITY_EPOCHS)
    return Sizes(
        edge=edge,
        crop=CROP if weights else crop,
        epochs=round(share * epochs),
        affinity_epochs=round(share * affinity_epochs),
        width=0.25 if machine.gpu else 0.125,
        iterations=round(share * steps),
        views=views,
        shards=max(1, min(max(by_memory, by_images), len(found.records), MOST_SHARDS)),
        threads=max(1, min(machine.cores, MOST_THREADS)),
        workers=workers,
    )


def _within(number: int, limits: tuple[int, int]) -> int:
    """The number, or the limit that it is beyond."""
    return min(max(number, limits[0]), limits[1])
