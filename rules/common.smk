"""What the rules share: the checked configuration, paths, settings of variants, shards of splits."""

import os
import re
import sys
from copy import copy
from functools import cache
from hashlib import sha256
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Jobs import the library that lies beside this workflow, whatever else is installed.
sys.path.insert(0, str(workflow.basedir))
search = [str(workflow.basedir), os.environ.get("PYTHONPATH", "")]
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, search)))

from ssenet_core import compute
from ssenet_core.data.archive import is_filled
from ssenet_core.data.choice import evenly_spaced
from ssenet_core.data.dataset import (
    class_names,
    files_digest,
    masks_are_truth,
    refuse_strangers,
    split_ids,
    unlisted_rows,
)
from ssenet_core.data.layout import some_of
from ssenet_core.data.sharding import shard_ids
from ssenet_core.errors import SSENetError
from ssenet_core.fingerprint import fingerprint
from ssenet_core.models.pretrained import IMAGENET, is_packaged, packaged_weights, weights_file
from ssenet_core.settings import load, refuse_repeated_keys, starting_variant


def clean(function, *arguments):
    """Call a library function; a user's mistake ends the workflow in one message."""
    try:
        return function(*arguments)
    except SSENetError as error:
        raise WorkflowError(str(error)) from None


clean(refuse_repeated_keys, workflow.configfiles)
SETTINGS = clean(load, config)

D = f"results/{SETTINGS.dataset.name}"
LOGS = f"logs/{SETTINGS.dataset.name}"
TIMES = f"{D}/benchmarks"
CAM, AFFINITY, DEEPLAB = (
    f"{D}/cam/{{cam}}",
    f"{D}/affinity/{{cam}}/{{affinity}}",
    f"{D}/deeplab/{{cam}}/{{affinity}}/{{deeplab}}",
)
COMPUTE = SETTINGS.compute


wildcard_constraints:
    split="train|pseudo_eval|val|test",


def dataset_section():
    """The dataset's section with the folder of a generated dataset filled in."""
    found = SETTINGS.dataset
    own = found.source == "shapes"
    return found.model_copy(update={"root": f"{D}/dataset"}) if own else found


DATASET = dataset_section()
VOC = f"{SETTINGS.download.folder}/VOC2012"


def is_voc2012():
    """Whether the dataset is the one that rules/download.smk fetches."""
    own = DATASET.source == "voc" and DATASET.list_dir == "ImageSets/Segmentation"
    return own and os.path.realpath(DATASET.root) == os.path.realpath(VOC)


def awaited_lists():
    """Lists of the dataset that are not here, and that rules/download.smk makes."""
    names = {"train", "val", "train_aug"} & set(DATASET.lists.plain().values())
    files = [f"{VOC}/{DATASET.list_dir}/{name}.txt" for name in sorted(names)]
    return [file for file in files if is_voc2012() and not os.path.exists(file)]


AWAITED = awaited_lists()  # until they are here, only the rules that fetch them are
IDS = {
    split: ids
    for split in ("train", "pseudo_eval", "val", "test")
    if not AWAITED and (ids := clean(split_ids, DATASET, split))
}
SPLITS = list(IDS)
for split, name in DATASET.lists:
    if not AWAITED and split not in SPLITS and (name is not None or split == "train"):
        raise WorkflowError(f"dataset.lists.{split}: {name}: there are no images in it")
clean(refuse_strangers, IDS)
SCORED = [
    split for split in ("pseudo_eval", "val") if split in SPLITS and masks_are_truth(DATASET, split)
]
SHARDS = {  # ids by shard; the images of pseudo_eval are among train's
    split: {shard: ids for shard, ids in enumerate(shard_ids(IDS[split], COMPUTE.shards)) if ids}
    for split in SPLITS
    if split != "pseudo_eval"
}


def files_of(split):
    """The split whose folder holds a split's per-image files."""
    return "train" if split == "pseudo_eval" else split


def per_image(folder, ids, suffix):
    """One path an image."""
    return [f"{folder}/{image}{suffix}" for image in ids]


def shard_rule(stage, split, shard):
    """The name of a stage's rule for one shard."""
    return f"{stage}_{split}_{shard:03d}"


@cache
def shard_record(stage, split, shard):
    """What a stage leaves when a shard is done, which the next stage waits for.

    As an output of a known rule, it need not be searched for among all files' rules.
    """
    # Of a copy, as `output` stays with what it is asked of: all the shard's files once more.
    return copy(getattr(rules, shard_rule(stage, split, shard))).output.record


def records(stage, split):
    """The records of all shards of a split: what a stage as a whole has made."""
    split = files_of(split)
    return [shard_record(stage, split, shard) for shard in SHARDS[split]]


def shard_manifest(split, shard):
    """The manifest of one shard's images."""
    return f"{D}/manifest/{split}.shards/{shard}.json"


def generated_files(ids):
    """Images and masks of the generated dataset, which checking them waits for."""
    if DATASET.source != "shapes":
        return []
    return [
        *per_image(f"{DATASET.root}/JPEGImages", ids, ".jpg"),
        *per_image(f"{DATASET.root}/SegmentationClass", ids, ".png"),
    ]


def generated_root(wildcards):
    """Where the generated dataset lies."""
    return DATASET.root


def dataset_settings(wildcards, threads):
    """The dataset's section; not compared (see `save_every`), as it tells of other splits too."""
    return DATASET.plain()


def split_settings(split):
    """What of the dataset's section a split's manifest depends on."""
    own = DATASET.model_dump(mode="json", exclude={"lists", "shapes", "tags_csv"})
    return own | {"split": split, "classes": list(clean(class_names, DATASET))}


def digest_of_ids(split):
    """What tells that a split's list changed."""
    return sha256("\n".join(IDS[split]).encode()).hexdigest()[:16]


def digest(split, ids):
    """What tells that the files behind some ids changed: sizes and dates."""
    return clean(files_digest, DATASET, split, ids)


@cache
def resolved(section, name):
    """A variant's settings."""
    return clean(SETTINGS.resolve, section, name)


def training(section):
    """A params function: what training of a section's variant depends on."""
    return lambda wildcards: resolved(section, wildcards[section]).used_in_training()


def part(section, key):
    """A params function: one part of a variant's settings."""
    return lambda wildcards: getattr(resolved(section, wildcards[section]), key).plain()


def save_every(section):
    """A params function; Snakemake compares no parameter whose function takes `threads`."""
    return lambda wildcards, threads: resolved(section, wildcards[section]).save_every


def data_workers(wildcards, threads):
    """Processes that load data; not compared, like `save_every`."""
    return COMPUTE.workers


def beside_gpu(wildcards, threads):
    """Processes that write beside an inference job's GPU; not compared, like `save_every`."""
    return threads - 1 if GPUS else 0


def training_devices(wildcards, threads):
    """GPUs and nodes of a training job; not compared, like `save_every`."""
    return compute.training_devices(COMPUTE)


def folder_of(name):
    """A params function: the folder of the files that the records in an input vouch for."""

    def folder(wildcards, input):
        record = input[name] if isinstance(input[name], str) else input[name][0]
        return str(Path(record).parent).removesuffix(".shards")

    return folder


def weights_of(section, name):
    """What a variant's settings say of its first weights."""
    return resolved(section, name).backbone.weights


def backbone_of(section, name):
    """The name of a variant's backbone."""
    return resolved(section, name).backbone.name


def starts_of(cam):
    """The CAM variants that one starts from, directly or by others; the first trained first."""
    start = starting_variant(weights_of("cam", cam), cam)
    return [*starts_of(start), start] if start else []


def first_weights(section):
    """An input function: the file of a variant's first weights, if it has one."""

    def weights(wildcards):
        source = weights_of(section, wildcards[section])
        if source is None:
            return []
        if source == "cam":
            return f"{CAM}/model.pt".format(**wildcards)
        if start := starting_variant(source, wildcards.cam):
            return f"{CAM}/model.pt".format(cam=start)
        file = file_of_weights(section, wildcards[section])
        return there_or_made(section, file) if file else []

    return weights


def file_of_weights(section, name):
    """The file that a variant's first weights are in; None if no file is to be put in place.

    ImageNet weights may lie in an installed package; a CAM network's are the workflow's own.
    """
    source, backbone = weights_of(section, name), backbone_of(section, name)
    if source is None or source.partition(":")[0] == "cam":
        return None
    if source != IMAGENET:
        return source
    if is_packaged(backbone):
        clean(packaged_weights, backbone)
        return None
    return weights_file(backbone, f"{SETTINGS.download.folder}/weights")


def there_or_made(section, source):
    """A file that a user names; ends the workflow if it is not there and no rule makes it."""
    if os.path.exists(source) or any(made.is_producer(source) for made in workflow.rules):
        return source
    raise WorkflowError(
        f"{section}: backbone.weights: {source}: no such file (seen from {os.getcwd()}); "
        "put the file there, or take a backbone whose weights a package brings, such as "
        "{name: efficientnet_lite0, weights: imagenet}"
    )


@cache
def code(script, *modules):
    """Fingerprint of a rule's script, and of modules and what they import inside the package.

    The profiles leave out Snakemake's own trigger `code`: it goes by the dates of scripts, which
    another branch's checkout changes.
    """
    return clean(fingerprint, f"workflow_scripts.{script}", *modules)


GPUS = compute.gpus_a_job(COMPUTE.gpus)
INFERENCE_THREADS, INFERENCE_MEM_MB = compute.inference_needs(COMPUTE)
TRAIN_GPUS = GPUS * COMPUTE.train_gpus * COMPUTE.train_nodes
