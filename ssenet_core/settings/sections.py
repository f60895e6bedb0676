"""The sections of config.yaml except those of the three networks: types, units, limits of the keys.

Invalid values raise `pydantic.ValidationError`; `ssenet_core.settings.load` turns all of them into
one message. The defaults are in config.yaml; only optional keys, such as the layout of a VOC folder
and the generated dataset, have one here.
"""

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
    model_validator,
)

T = TypeVar("T")
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
RUN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*(@[0-9]+)?$"
SUFFIX = r"^\.[A-Za-z0-9]+$"
URL = r"^(https?|file)://"
SHA256 = r"^[0-9a-f]{8,64}$"
PATTERNS = {  # in words
    NAME: "letters, digits and . _ - only, beginning with a letter or a digit",
    RUN_NAME: "variant or variant@seed",
    SUFFIX: "a dot, then letters and digits",
    URL: "an address that begins with http://, https:// or file://",
    SHA256: "8 to 64 hexadecimal digits, in small letters",
}
LARGEST_SEED = 2**32 - 1
LARGEST_SCALE = 8  # of a view, as a factor of the image's size


# Types of values


def number(value: Any) -> Any:
    """Reject booleans, which Python counts as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("input should be a number")
    return value


def choice(value: Any) -> Any:
    """Convert a number given as text, as values of `--config` are."""
    return int(value) if isinstance(value, str) and value.isdecimal() else number(value)


def ascending(pair: tuple[float, float]) -> tuple[float, float]:
    """Reject a range whose lower limit is above its upper limit."""
    if pair[0] > pair[1]:
        raise ValueError("the first must not be above the second")
    return pair


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("input should be printable text")
    return text


def _null(value: Any) -> Any:
    """Convert the text "null", as values of `--config` are texts."""
    return None if value == "null" else value


def _distinct(items: tuple[T, ...]) -> tuple[T, ...]:
    if any(item in items[:place] for place, item in enumerate(items)):
        raise ValueError("no item may stand twice")
    return items


# Limits stand before validators: the JSON schema has them only so.
Number = Annotated[int, BeforeValidator(number)]  # of limits that its key has
Whole = Annotated[int, Field(ge=0), BeforeValidator(number)]
WorkingSize = Annotated[int, Field(ge=32, le=20_000), BeforeValidator(number)]
Count = Annotated[int, Field(ge=1), BeforeValidator(number)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED), BeforeValidator(number)]
Positive = Annotated[float, Field(gt=0), BeforeValidator(number)]
NonNegative = Annotated[float, Field(ge=0), BeforeValidator(number)]
Share = Annotated[float, Field(ge=0, le=1), BeforeValidator(number)]
InnerShare = Annotated[float, Field(gt=0, lt=1), BeforeValidator(number)]
ShareBelowOne = Annotated[float, Field(ge=0, lt=1), BeforeValidator(number)]
Scale = Annotated[float, Field(gt=0, le=LARGEST_SCALE), BeforeValidator(number)]
Angle = Annotated[float, Field(ge=-180, le=180), BeforeValidator(number)]

Text = Annotated[str, Field(strict=True, min_length=1), AfterValidator(_printable)]
Name = Annotated[str, Field(strict=True, pattern=NAME)]
RunName = Annotated[str, Field(strict=True, pattern=RUN_NAME)]
Nullable = Annotated[T | None, BeforeValidator(_null)]

UNIQUE: dict[str, JsonValue] = {"uniqueItems": True}
Distinct = Annotated[
    tuple[T, ...],
    Field(json_schema_extra=UNIQUE),
    AfterValidator(_distinct),
]
ClassNames = Annotated[
    tuple[Text, ...],
    Field(min_length=1, max_length=254, json_schema_extra=UNIQUE),
    AfterValidator(_distinct),
]
Scales = Annotated[
    tuple[Scale, ...],
    Field(
        min_length=1,
        json_schema_extra=UNIQUE,
        description="Sizes of the views, as factors of the image's size.",
    ),
    AfterValidator(_distinct),
]
Precision = Annotated[
    Literal["32-true", "bf16-mixed", "16-mixed"], Field(description="Lightning's precision flag.")
]


class Section(BaseModel):
    """A section of the configuration: it cannot be changed, and an unknown key is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def plain(self) -> dict[str, Any]:
        """The section as plain values: dictionaries, lists, numbers, texts."""
        return self.model_dump(mode="json")


# The dataset and the run


class TagTables(Section):
    """Tables image,tags, one a split, relative to root.

    Tags are separated by spaces; an empty cell says that the image has none of the classes.
    """

    train: Nullable[Text] = Field(None, description="Of the training images.")
    val: Nullable[Text] = Field(None, description="Of the validation images.")
    test: Nullable[Text] = Field(None, description="Of the test images.")

    def of(self, split: str) -> str | None:
        """The table of a split; pseudo_eval shares that of train."""
        name: str | None = getattr(self, "train" if split == "pseudo_eval" else split)
        return name


class SplitLists(Section):
    """Each split's list in list_dir, without .txt.

    null takes the images of the split's table of tags, if it has one.
    """

    train: Nullable[Text] = Field(None, description="The training images.")
    pseudo_eval: Nullable[Text] = Field(
        None,
        description="The training images with masks: CAMs and pseudo labels are scored on them.",
    )
    val: Nullable[Text] = Field(None, description="The validation images.")
    test: Nullable[Text] = Field(None, description="Images to predict only.")

    def of(self, split: str) -> str | None:
        """The list of a split."""
        name: str | None = getattr(self, split)
        return name


class ShapesSettings(Section):
    """The generated dataset."""

    seed: Seed = Field(0, description="Seed of the random numbers.")
    train: Number = Field(300, ge=1, le=10**6, description="Number of training images.")
    val: Number = Field(100, ge=1, le=10**6, description="Number of validation images.")
    size: Number = Field(96, ge=32, le=4096, description="Side of the square images, pixels.")
    classes: Number = Field(6, ge=1, le=6, description="Number of foreground classes.")


class DatasetSettings(Section):
    """The images, their image-level labels (tags) and the splits."""

    name: Name = Field(description="Name of the folder in results/ with everything made from it.")
    source: Literal["shapes", "voc"] = Field(
        description="shapes: generated; voc: a folder in the layout of PASCAL VOC."
    )
    root: Nullable[Text] = Field(
        None,
        validate_default=True,
        description="The dataset's folder; null for shapes: results/{name}/dataset.",
    )
    classes: Nullable[Text | ClassNames] = Field(
        None,
        description="A file with one class name a line (relative to root), or the names; "
        "null: the source's own.",
    )
    tags: Distinct[Literal["csv", "xml", "masks"]] = Field(
        ("masks",),
        min_length=1,
        description="Sources of image-level labels; the first that knows the image counts, "
        "also when it says that none of the classes is present.",
    )
    tags_csv: TagTables = TagTables()
    image_dir: Text = Field("JPEGImages", description="Folder of the images, relative to root.")
    image_suffix: Text = Field(".jpg", pattern=SUFFIX, description="Suffix of the image files.")
    working_size: Nullable[WorkingSize] = Field(
        None,
        description="Longest edge of the working copies that all stages use, pixels: photographs "
        "of any format and suffix in image_dir and its subfolders are turned upright, converted to "
        "8-bit sRGB and, if larger, shrunk. null: photographs are used as they are stored.",
    )
    mask_dir: Nullable[Text] = Field(
        "SegmentationClass",
        description="Folder of the indexed masks, relative to root; null: no masks.",
    )
    corrections: Nullable[Text] = Field(
        None,
        description="Labels of training images that a person corrected, relative to root: a folder "
        "of masks {image}.png in the label values (255: as the pseudo label) and of LabelMe's "
        "{image}.json, or a COCO JSON. They replace pseudo labels in DeepLab's training. null: "
        "none.",
    )
    annotation_dir: Text = Field(
        "Annotations", description="Folder of the VOC XML files, relative to root."
    )
    list_dir: Text = Field(
        "ImageSets/Segmentation", description="Folder of the split lists, relative to root."
    )
    lists: SplitLists = SplitLists()
    shapes: ShapesSettings = ShapesSettings()

    @field_validator("root")
    @classmethod
    def _voc_has_a_root(cls, root: str | None, info: ValidationInfo) -> str | None:
        if root is None and info.data.get("source") == "voc":
            raise ValueError("source voc needs the dataset's folder")
        return root

    @field_validator("working_size")
    @classmethod
    def _generated_images_have_their_size(
        cls, size: int | None, info: ValidationInfo
    ) -> int | None:
        if size is not None and info.data.get("source") == "shapes":
            raise ValueError("generated images have the size of dataset.shapes.size; allowed: null")
        return size


class Chain(Section):
    """Variants of the three stages, one after the other."""

    cam: RunName = Field(description="Variant of the CAM network.")
    affinity: RunName = Field(description="Variant of AffinityNet and its random walk.")
    deeplab: RunName = Field(description="Variant of the segmentation network.")


class RunSettings(Section):
    """What the default target makes."""

    cams: Distinct[RunName] = Field(min_length=1, description="CAM networks to train and score.")
    chains: Distinct[Chain] = Field(
        description="Variants that lead from CAMs over affinities to a segmentation network."
    )
    seeds: Distinct[Seed] = Field(
        min_length=1,
        description="Everything is made once for each seed; [0]: each variant has its own.",
    )
    gallery: Whole = Field(
        description="Images of each split in the report, and (one or more) in figures 2, 6."
    )


class TagSettings(Section):
    """How doubtful image-level labels (tags) are looked for."""

    folds: Number = Field(
        ge=0,
        le=100,
        description="Parts of the training images: a network each, trained without the part, is "
        "asked about it. The networks are the first chain's CAM network without the regulariser. "
        "0: the first chain's own network, which has seen the tags and is too sure of them.",
    )

    @field_validator("folds")
    @classmethod
    def _something_is_left_to_train(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("one fold leaves no image to train with; allowed: 0, or 2 and more")
        return folds


# The dense CRF


class GaussianKernel(Section):
    """Smoothness kernel: Gaussian in position."""

    sxy: Positive = Field(description="Standard deviation in position, pixels.")
    compat: NonNegative = Field(description="The kernel's weight.")


class BilateralKernel(Section):
    """Appearance kernel: Gaussian in position and colour."""

    sxy: Positive = Field(description="Standard deviation in position, pixels.")
    srgb: Positive = Field(description="Standard deviation in colour, levels of 0 to 255.")
    compat: NonNegative = Field(description="The kernel's weight.")


class CrfSettings(Section):
    """A dense CRF after this stage; null: none."""

    iterations: Whole = Field(description="Mean-field iterations.")
    gaussian: GaussianKernel
    bilateral: BilateralKernel


class RefineSettings(CrfSettings):
    """Dense CRF of the CAMs, once for each background score."""

    powers: tuple[Positive, Positive] = Field(
        description="Backgrounds (1 - max)^power of the affinity labels: the first power gives a "
        "strong background and so confident foreground, the second, larger one a weak background "
        "and so confident background."
    )
    alpha: InnerShare = Field(
        description="Constant background of the CRF that is scored; it shares files with the "
        "affinity labels, so changing it makes these anew."
    )

    @field_validator("powers")
    @classmethod
    def _the_strong_one_is_first(cls, powers: tuple[float, float]) -> tuple[float, float]:
        if powers[0] >= powers[1]:
            raise ValueError("the smaller must come first, it is the strong background")
        return powers


# Evaluation, and how the work is done


class AlphaGrid(Section):
    """Background scores of the threshold curve, evenly spaced."""

    start: InnerShare = Field(description="The lowest.")
    stop: InnerShare = Field(description="The highest.")
    count: Number = Field(ge=2, le=1000, description="How many.")

    @field_validator("stop")
    @classmethod
    def _above_start(cls, stop: float, info: ValidationInfo) -> float:
        if stop <= info.data.get("start", 0):
            raise ValueError(f"must be above start, {info.data['start']}")
        return stop


class EquivarianceSettings(Section):
    """How the CAM networks' equivariance is measured: the transforms, and on how many images."""

    images: Count = Field(description="Most images to use, evenly spaced over the split.")
    scales: Distinct[Scale] = Field(
        description="Sizes of the scaled views, as factors of the image's size."
    )
    flip: bool = Field(description="Measure the horizontal flip.")
    angles: Distinct[Angle] = Field(description="Rotations, degrees counter-clockwise.")

    @model_validator(mode="after")
    def _measures_something(self) -> Self:
        if not (self.scales or self.flip or self.angles):
            raise ValueError("one of scales, flip and angles is needed")
        return self


class EvaluationSettings(Section):
    """How CAMs are evaluated."""

    alpha: InnerShare = Field(description="Background score at which CAMs are scored.")
    alphas: AlphaGrid
    ellipse: Positive = Field(
        le=2, description="Axes of the trivial answer's ellipse, as shares of the image's."
    )
    equivariance: EquivarianceSettings


class PaperSettings(Section):
    """What the targets table1 to figure6 show."""

    published: bool = Field(description="Show the paper's own scores, which are on VOC 2012.")
    table1: tuple[RunName, ...] = Field(min_length=1, description="CAM variants, a row each.")
    table2: tuple[RunName, ...] = Field(min_length=1, description="CAM variants, a row each.")
    compared: tuple[RunName, ...] = Field(
        min_length=1,
        max_length=4,
        description="CAM variants in the figures; table 3 shows the last one's chain.",
    )
    affinity: RunName = Field(description="The variant behind the tables' random walks.")
    deeplab: RunName = Field(description="The variant behind table 3.")
    scales: Scales


class ComputeSettings(Section):
    """How the work is distributed.

    No value changes a result, except that compiled networks round differently, and several GPUs
    round and drop out differently from one (docs/method.md).
    """

    shards: Number = Field(
        ge=1,
        le=1000,
        description="Jobs of a per-image stage; another number makes the stage anew.",
    )
    gpus: Annotated[Literal["auto", 0, 1], BeforeValidator(choice)] = Field(
        description="GPUs that a training or inference job asks for; "
        "auto: one where this machine has one."
    )
    train_gpus: Number = Field(
        ge=1,
        le=64,
        description="GPUs of a training job on each of its nodes, if gpus is not 0; "
        "they share every batch.",
    )
    train_nodes: Number = Field(
        ge=1, le=64, description="Nodes of a training job; several need SLURM."
    )
    compile: bool = Field(
        description="Compute the networks of trainings on GPUs by torch.compile, which needs a C "
        "compiler: on one H200 steps were 1.37 times as fast, and the first of a job took 35 s."
    )
    training_threads: Count = Field(description="CPU threads of a training job.")
    inference_threads: Number = Field(
        ge=1,
        le=64,
        description="CPU threads of an inference job with a GPU: one for the GPU, the others read "
        "and write files. Without a GPU it has one thread.",
    )
    workers: Whole = Field(description="Data-loading processes for each GPU of a training job.")
    train_mem_mb: Number = Field(ge=400, description="Memory of a training job, MB.")
    shard_mem_mb: Number = Field(
        ge=400,
        description="Memory of a job of a per-image stage, MB; with a GPU, 600 more for each "
        "thread but one.",
    )


class Source(Section):
    """A public file and its checksum."""

    url: Nullable[Annotated[str, Field(strict=True, pattern=URL)]] = Field(
        description="http, https, or file:///PATH for a copy on disk; null: no lasting address, "
        "put the file in place by hand."
    )
    sha256: Nullable[Annotated[str, Field(strict=True, pattern=SHA256)]] = Field(
        description="SHA-256 of the file, or its first digits."
    )


class DownloadSettings(Section):
    """Where `ssenet download` takes public data and weights from."""

    folder: Text = Field(description="Holds VOC2012 and weights.")
    voc2012: Source = Field(description="The archive of PASCAL VOC 2012, trainval.")
    sbd: Source = Field(description="The archive of the Semantic Boundaries Dataset.")
    weights: dict[Name, Source] = Field(description="Files of pretrained weights, by file name.")
