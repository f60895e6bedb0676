"""What the rules share: the checked configuration, paths, settings of variants, shards of splits."""

import os
import sys
from copy import copy
from functools import cache
from hashlib import sha256
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# Jobs import the library that lies beside this workflow, whatever else is installed.
sys.path.insert(0, str(workflow.basedir))
search = [str(workflow.basedir), os.environ.get("PYTHONPATH", "")]
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, search)))

from ssenet_core import compute
from ssenet_core.data.dataset import (
    class_names,
    evenly_spaced,
    files_digest,
    masks_are_truth,
    refuse_strangers,
    shard_ids,
    split_ids,
    unlisted_rows,
)
from ssenet_core.data.layout import some_of
from ssenet_core.data.voc2012 import missing_voc2012
from ssenet_core.errors import SSENetError
from ssenet_core.fingerprint import fingerprint
from ssenet_core.models.catalogue import first_weights_file
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
DOWNLOAD = " ".join(["ssenet download", *map(str, workflow.overwrite_configfiles or [])])
if missing := missing_voc2012(SETTINGS):
    raise WorkflowError(
        f"dataset {DATASET.name}: {', '.join(map(str, missing))} not found (seen from {os.getcwd()}); "
        f"to download what is missing: {DOWNLOAD}"
    )
IDS = {
    split: ids
    for split in ("train", "pseudo_eval", "val", "test")
    if (ids := clean(split_ids, DATASET, split))
}
SPLITS = list(IDS)
for split, name in DATASET.lists:
    if split not in SPLITS and (name is not None or split == "train"):
        raise WorkflowError(f"dataset.lists.{split}: {name}: there are no images in it")
clean(refuse_strangers, IDS)
if workflow.is_main_process and (unlisted := clean(unlisted_rows, DATASET, IDS)):
    table = os.path.normpath(os.path.join(DATASET.root, DATASET.tags_csv.train))
    logger.warning(
        f"{table}: {len(unlisted)} image(s) with a row are in no list and are left out: "
        f"{some_of(unlisted)}"
    )
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
        return existing_weights(section, wildcards[section]) or []

    return weights


def existing_weights(section, name):
    """The file of a variant's first weights, None where none is needed; an error if it is missing."""
    file = clean(first_weights_file, resolved(section, name).backbone, SETTINGS.download.folder)
    if file and not os.path.exists(file):
        raise WorkflowError(
            f"{section}: backbone.weights: {file}: no such file (seen from {os.getcwd()}); "
            f"download ImageNet weights by: {DOWNLOAD}, put a file of your own there, or take a "
            "backbone whose weights a package brings, such as "
            "{name: efficientnet_lite0, weights: imagenet}"
        )
    return file


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
