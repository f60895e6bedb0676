"""The sections of the three networks: cam, affinity and deeplab, and the variants of each.

A section has `defaults` and `variants`; `Variants.resolve` returns one variant's settings, and
raises `SSENetError` for an unknown one. As in `sections`, invalid values raise
`pydantic.ValidationError`, and only optional keys have a default here: those that have no effect
under another key's value.
"""

from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ssenet_core.errors import SSENetError, hint, listed, shown
from ssenet_core.models.catalogue import BACKBONES, TIMM, timm_faults
from ssenet_core.settings.sections import (
    LARGEST_SEED,
    Count,
    CrfSettings,
    Distinct,
    InnerShare,
    Name,
    NonNegative,
    Nullable,
    Number,
    Positive,
    Precision,
    Scale,
    Scales,
    Section,
    Seed,
    Share,
    ShareBelowOne,
    Text,
    ascending,
    choice,
    number,
)

SEED_MARK = "@"
NOT_TRAINED = {"save_every", "inference", "random_walk", "prediction"}

Dilation = Annotated[int, Field(ge=1, le=64), BeforeValidator(number)]
Edge = Annotated[int, Field(ge=16), BeforeValidator(number)]
Jitter = tuple[Share, Share, Share, Share]
Alignment = Literal["cells", "plain"]
Radius = Annotated[
    int,
    Field(ge=1, le=20, description="Largest distance of a pair, cells."),
    BeforeValidator(number),
]
Pairs = Annotated[
    Literal["all", "inner"],
    Field(
        description="all: every pair of cells in the grid; inner: as published, none that begins "
        "within radius - 1 cells of the left, right or bottom border."
    ),
]
SaveEvery = Annotated[
    Count, Field(description="Steps between the states from which a killed training resumes.")
]


class BackboneSettings(Section):
    """The network below the head.

    width, dilations and dropout are resnet38's. With another backbone they have no effect: they may
    stay in the defaults, and a variant may not set them.
    """

    name: Text = Field(
        title=f"{', '.join(BACKBONES)} or {TIMM}NAME",
        description="Architecture: resnet38 is the paper's, the others are timm's; "
        "timm:NAME is any other convolutional network of timm.",
    )
    output_stride: Annotated[Literal[8, 16], BeforeValidator(choice)] = Field(
        8, description="Pixels between neighbouring cells of the features; resnet38 has 8."
    )
    width: Positive = Field(1.0, le=4, description="Factor of the channel counts; resnet38 only.")
    dilations: tuple[Dilation, Dilation, Dilation] = Field(
        (1, 1, 1), description="Dilations of stages b5, b6 and b7; resnet38 only."
    )
    dropout: tuple[ShareBelowOne, ShareBelowOne] = Field(
        (0.0, 0.0), description="Dropout rates of stages b6 and b7; resnet38 only."
    )
    weights: Nullable[Text] = Field(
        description="Initial weights: null (random); imagenet (from an installed package for "
        "efficientnet_lite0 and efficientnet_lite2, else the file in data/weights, where `ssenet "
        "download` puts it); a file (.safetensors, .pth, in timm's naming for its networks; "
        "MXNet's .params for resnet38); cam:VARIANT (that CAM variant's network); and outside of "
        "the section cam: cam (the network that the chain's maps come from)."
    )
    freeze_batch_norm: bool = Field(
        description="Keep batch normalisation's statistics and parameters as initialised."
    )
    batch_norm_momentum: Nullable[Share] = Field(
        None,
        description="Share of a batch's statistics in the running ones, where batch normalisation "
        "is not frozen; null: the architecture's own.",
    )
    frozen_stages: Distinct[Text] = Field(
        description="Stages that are not trained: conv1a, b2 to b7 and bn7 of resnet38; conv1 and "
        "layer1 to layer4 of ResNets; conv_stem, blocks.0 to blocks.6 and conv_head of "
        "EfficientNets; stem and stages.0 to stages.3 of ConvNeXt; paths of timm's modules of "
        "other networks."
    )

    @field_validator("name")
    @classmethod
    def _name_is_known(cls, name: str) -> str:
        if name not in BACKBONES and not name.startswith(TIMM):
            raise ValueError(f"allowed: {', '.join(BACKBONES)} or {TIMM}NAME")
        return name

    @field_validator("output_stride")
    @classmethod
    def _stride_is_its_own(cls, stride: int, info: ValidationInfo) -> int:
        known = BACKBONES.get(info.data.get("name", ""))
        if known and stride not in known.output_strides:
            allowed = " or ".join(map(str, known.output_strides))
            raise ValueError(f"allowed for {info.data['name']}: {allowed}")
        return stride

    @field_validator("weights")
    @classmethod
    def _weights_fit(cls, weights: str | None, info: ValidationInfo) -> str | None:
        width = info.data.get("width", 1)
        if weights == "imagenet" and info.data.get("name") == "resnet38" and width != 1:
            raise ValueError(f"resnet38's ImageNet weights are of width 1, the width is {width:g}")
        return weights

    @field_validator("frozen_stages")
    @classmethod
    def _stages_are_its_own(cls, stages: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = BACKBONES.get(info.data.get("name", ""))
        unknown = [stage for stage in stages if known and stage not in known.stages]
        if known and unknown:
            raise ValueError(
                f"{info.data['name']} has no {', '.join(unknown)}; "
                f"it has {', '.join(known.stages)}, and [] freezes none"
            )
        return stages

    @model_validator(mode="after")
    def _timm_can_build_it(self) -> Self:
        if self.name.startswith(TIMM):
            for fault in timm_faults(self.name, self.output_stride, self.frozen_stages):
                raise ValueError(fault.removeprefix("backbone."))
        return self

    def described(self) -> str:
        """Name, and width of ResNet-38: backbones that differ in them cannot share weights."""
        return f"{self.name} of width {self.width:g}" if self.name == "resnet38" else self.name


class OptimizerSettings(Section):
    """The optimiser, under a polynomial schedule."""

    name: Literal["sgd", "adamw"] = Field(description="The algorithm.")
    lr: Positive = Field(description="Initial learning rate.")
    momentum: ShareBelowOne = Field(description="Momentum of sgd.")
    weight_decay: NonNegative = Field(description="Weight decay (L2).")
    power: NonNegative = Field(description="Exponent of the schedule (1 - step / steps)^power.")
    head_lr: Positive = Field(
        description="Factor of the learning rate for layers without pretrained weights."
    )


class TrainingSettings(Section):
    """What every stage's training depends on.

    A stage's subclass has exactly the settings that its training depends on: training rules compare
    them, training functions receive them, and checkpoints store them. The class derived from it
    adds the other keys of the stage's section.
    """

    stage: ClassVar[str]  # the section

    seed: Seed = Field(description="Seed of the random numbers.")
    backbone: BackboneSettings
    batch_size: Count = Field(description="Images per training step.")
    crop: Edge = Field(description="Side of the square training crop, pixels.")
    jitter: Jitter = Field(
        description="Strength of the colour jitter: brightness, contrast, saturation, hue."
    )
    flip: Share = Field(description="Probability of a horizontal flip.")
    optimizer: OptimizerSettings
    precision: Precision

    def used_in_training(self) -> dict[str, Any]:
        """The settings that the training depends on, as plain values."""
        return self.model_dump(mode="json", exclude=NOT_TRAINED)


class SerSettings(Section):
    """Equivariance regularisation."""

    weight: NonNegative = Field(description="Weight in the loss; 0: the baseline, without it.")
    transforms: Distinct[Literal["scale", "flip", "rotate"]] = Field(
        ("scale",),
        min_length=1,
        description="What makes the second view of the first, in this order.",
    )
    rate: InnerShare = Field(
        0.5, description="Of scale: size of the second view as a share of the first."
    )
    angle: Positive = Field(
        20,
        le=180,
        description="Of rotate: the largest angle, degrees; a batch's is uniform in "
        "[-angle, angle].",
    )
    form: Literal["normalised", "raw"] = Field(
        "normalised",
        description="normalised: mean squared difference of the normalised class maps, as "
        "published; raw: L2 distance of the raw class maps, Eq. 2 to the letter.",
    )
    compared_at: Literal["cells", "pixels"] = Field(
        "cells",
        description="Where both views' class maps are compared: cells, those of the second view's "
        "maps; pixels, those of the second view, to which both maps are up-sampled as published.",
    )

    def used_in_training(self) -> dict[str, Any]:
        """The keys that have an effect, as plain values."""
        if not self.weight:
            return {"weight": 0}
        idle = {"scale": "rate", "rotate": "angle"}
        unused = {key for name, key in idle.items() if name not in self.transforms}
        return self.model_dump(mode="json", exclude=unused)


class CamTraining(TrainingSettings):
    """What the training of a CAM network depends on."""

    stage: ClassVar[str] = "cam"

    dropout: ShareBelowOne = Field(
        description="Probability that a feature channel is dropped before the classifier."
    )
    epochs: Count = Field(description="Passes over the training images.")
    resize: Annotated[tuple[Edge, Edge], AfterValidator(ascending)] = Field(
        description="The image's longest edge is drawn between these two, pixels."
    )
    ser: SerSettings
    alignment: Alignment = Field(
        description="Where class maps lie on the image: cells, at the cells' centres; "
        "plain, resized as published."
    )

    def used_in_training(self) -> dict[str, Any]:
        """As in every stage, without the regulariser's keys that have no effect."""
        return super().used_in_training() | {"ser": self.ser.used_in_training()}


class Views(Section):
    """At which sizes and how a trained network looks at an image."""

    scales: Scales
    flip: bool = Field(description="Add the flipped image at each scale.")
    precision: Precision


class CamInference(Views):
    """How class activation maps are taken from the trained network."""


class CamSettings(CamTraining):
    """One variant of the CAM network."""

    save_every: SaveEvery
    inference: CamInference


class AffinityTraining(TrainingSettings):
    """What the training of AffinityNet depends on."""

    stage: ClassVar[str] = "affinity"

    epochs: Count = Field(description="Passes over the training images.")
    radius: Radius
    pairs: Pairs
    use_corrections: bool = Field(
        False,
        description="Pixels of dataset.corrections are labels of AffinityNet too, so that the "
        "pseudo labels change with them.",
    )
    padding: Literal["mean", "black"] = Field(
        description="Of crops that reach beyond the photograph: mean, its mean colour, and cells "
        "partly outside are ignored; black, as published, and such cells are labelled by their "
        "part inside."
    )

    @field_validator("crop")
    @classmethod
    def _crop_has_whole_cells(cls, crop: int, info: ValidationInfo) -> int:
        backbone = info.data.get("backbone")
        if backbone and crop % backbone.output_stride:
            raise ValueError(
                f"must be a multiple of backbone.output_stride, {backbone.output_stride}"
            )
        return crop

    @field_validator("pairs")
    @classmethod
    def _crop_has_pairs(cls, pairs: str, info: ValidationInfo) -> str:
        known = info.data
        if pairs == "inner" and {"backbone", "crop", "radius"} <= known.keys():
            least = (2 * known["radius"] - 1) * known["backbone"].output_stride
            if known["crop"] < least:
                raise ValueError(f"needs a crop of {least} or more, it is {known['crop']}")
        return pairs


class Background(Section):
    """Background score: the constant alpha, or (1 - max)^power; the other is null."""

    alpha: Nullable[InnerShare] = Field(description="The constant.")
    power: Nullable[Positive] = Field(description="The exponent.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.alpha is None) == (self.power is None):
            raise ValueError("one of alpha and power must be null")
        return self


class RandomWalk(Section):
    """How scores spread along the affinities, from CAMs to pseudo labels."""

    beta: Positive = Field(description="Exponent of the affinities.")
    steps_log2: Number = Field(ge=0, le=16, description="The walk takes 2^steps_log2 steps.")
    keep_tagged: bool = Field(
        description="Where an image-level label would have no pixel, the walk is halved until it "
        "has one."
    )
    background: Background
    radius: Radius
    pairs: Pairs
    crf: Nullable[CrfSettings]
    precision: Precision


class AffinitySettings(AffinityTraining):
    """One variant of AffinityNet and its random walk."""

    save_every: SaveEvery
    random_walk: RandomWalk


class HeadSettings(Section):
    """The layers on the backbone."""

    channels: Count = Field(description="Channels of the two hidden layers.")
    dilation: Count = Field(
        description="Dilation of the 3 x 3 convolution, in cells of backbone.output_stride pixels."
    )
    dropout: ShareBelowOne = Field(
        description="Dropout rate of the channels, or of the successor's elements, before the "
        "classifier."
    )
    kind: Literal["plain", "successor"] = Field(
        description="plain: dropout of channels, batch normalisation with learned scale and shift; "
        "successor: as in the paper's authors' next network, dropout of elements, no learned scale "
        "and shift, and Kaiming's initial weights (by the outputs in the hidden layers)."
    )
    align_corners: bool = Field(
        description="Scores are up-sampled with the outer cells on the outer pixels, in the loss "
        "and in prediction."
    )


class DeepLabTraining(TrainingSettings):
    """What the training of the segmentation network depends on."""

    stage: ClassVar[str] = "deeplab"

    head: HeadSettings
    iterations: Count = Field(description="Training steps.")
    scale: Annotated[tuple[Scale, Scale], AfterValidator(ascending)] = Field(
        description="Training images are scaled by a factor between these two."
    )
    antialias: bool = Field(
        True, description="Photographs are resized with antialiasing, in training and prediction."
    )


class Prediction(Views):
    """How images are segmented with the trained network."""

    crf: Nullable[CrfSettings]


class DeepLabSettings(DeepLabTraining):
    """One variant of the segmentation network."""

    save_every: SaveEvery
    prediction: Prediction


AnySettings = CamSettings | AffinitySettings | DeepLabSettings
AnyTraining = CamTraining | AffinityTraining | DeepLabTraining
S = TypeVar("S", bound=TrainingSettings)


class Variants(Section, Generic[S]):
    """A network's section."""

    defaults: S = Field(description="What every variant has that does not say otherwise.")
    variants: dict[Name, S] = Field(
        min_length=1,
        description="Named overrides of the defaults; "
        "the name is part of every path made from the variant.",
    )

    def resolve(self, name: str) -> S:
        """One variant's settings.

        Args:
            name: a variant, or variant@seed for the same with another seed ("ssenet@2").

        Raises:
            SSENetError: no such variant, or a seed that is not a whole number.
        """
        variant, mark, seed = name.partition(SEED_MARK)
        stage = self.defaults.stage
        if variant not in self.variants:
            raise SSENetError(
                f"{stage}.variants has no {shown(variant)}; "
                f"it has {listed(self.variants)}{hint(variant, self.variants)}"
            )
        settings = self.variants[variant]
        if not mark:
            return settings
        if not (seed.isascii() and seed.isdecimal() and int(seed) <= LARGEST_SEED):
            raise SSENetError(
                f"{stage} variant {shown(name)}: expected a whole number after {SEED_MARK}, "
                f"at most {LARGEST_SEED}"
            )
        return settings.model_copy(update={"seed": int(seed)})


def starting_variant(weights: str | None, name: str) -> str | None:
    """The CAM variant whose network `weights` ("cam:VARIANT") names, with the seed of `name`.

    Args:
        weights: a variant's `backbone.weights`.
        name: the variant that starts from them, "ssenet" or "ssenet@1".

    Returns:
        "VARIANT" or "VARIANT@1"; None when the weights are no CAM variant's.
    """
    if not weights or not weights.startswith("cam:"):
        return None
    _, at, seed = name.partition(SEED_MARK)
    return weights.removeprefix("cam:") + at + seed
