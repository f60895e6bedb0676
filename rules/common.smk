"""The plan of the run, and functions of wildcards that ask it for a rule's inputs and parameters."""

import os
import sys
from copy import copy
from functools import cache
from pathlib import Path

from snakemake.logging import logger

# Jobs import the library that lies beside this workflow, whatever else is installed.
BESIDE = Path(str(workflow.current_basedir)).parent
if (BESIDE / "ssenet_core").is_dir():
    sys.path.insert(0, str(BESIDE))
    search = filter(None, [str(BESIDE), os.environ.get("PYTHONPATH", "")])
    os.environ.update(PYTHONPATH=os.pathsep.join(search))

# Threads that wait sleep: spinning, those of jobs beside each other take each other's processors.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from ssenet_core import compute
from ssenet_core.compute import growing
from ssenet_core.data.dataset import unlisted_rows
from ssenet_core.errors import SSENetError, some_of
from ssenet_core.fingerprint import fingerprint
from ssenet_core.plan import (
    Plan,
    dataset_files,
    doubts,
    paper,
    per_image,
    reporting,
    shard_rule,
    targets,
)


def call_or_exit(function, *arguments):
    """Call a library function; a user's mistake ends the workflow in one message."""
    try:
        return function(*arguments)
    except SSENetError as error:
        # Snakemake would add lines of these files to an exception of its own.
        raise SystemExit(f"error: {error}") from None


plan = call_or_exit(Plan, config, workflow.configfiles)
settings = plan.settings


pathvars:
    **plan.pathvars(),


GPUS = compute.gpus_a_job(settings.compute.gpus)
SHARD_MEM_MB = settings.compute.shard_mem_mb
INFERENCE_THREADS, INFERENCE_MEM_MB = compute.inference_needs(settings.compute)

# Resources of the kinds of jobs that several rules have: MB and minutes.
LIGHT = {"mem_mb": growing(1000), "runtime": growing(60)}
SCORING = {"mem_mb": growing(SHARD_MEM_MB), "runtime": growing(60)}
INFERENCE = {"gpu": GPUS, "mem_mb": growing(INFERENCE_MEM_MB), "runtime": growing(240)}
TRAINING = {
    "gpu": GPUS * settings.compute.train_gpus * settings.compute.train_nodes,
    "mem_mb": growing(settings.compute.train_mem_mb * settings.compute.train_gpus),
    "runtime": 1440,
}


def when_asked(function, *arguments):
    """An input function: what a function returns once the rule's output is asked for, not before."""
    return lambda wildcards: call_or_exit(function, *arguments)


def variant(stage, wildcards):
    """The settings of a stage's variant, which the wildcards name."""
    return call_or_exit(plan.variant, stage, wildcards[stage])


def initial_weights(stage):
    """An input function: the file of a variant's initial weights, if it has one."""

    def weights(wildcards):
        return call_or_exit(plan.initial_weights, stage, wildcards[stage], wildcards.cam) or []

    return weights


def fold_weights(wildcards):
    """An input function: the file of the initial weights of a fold's network, if it has one."""
    return call_or_exit(doubts.fold_weights, plan, int(wildcards.fold), wildcards.cam) or []


def fold_training(wildcards):
    """A params function: what the training of a fold's network depends on."""
    return call_or_exit(doubts.fold_settings, plan, wildcards.cam)


@cache
def shard_record(stage, split, shard):
    """What a stage leaves when a shard is done, which the next stage waits for.

    As an output of a known rule, it need not be searched for among all files' rules.
    """
    # Of a copy, as `output` stays with what it is asked of: all the shard's files once more.
    return copy(getattr(rules, shard_rule(stage, split, shard))).output.record


def records(stage, split):
    """The records of all shards of a split; as inputs, they come first and without a name.

    Snakemake knows the rules of such inputs. Those of a named list, it searches for.
    """
    split = "train" if split == "pseudo_eval" else split
    return [shard_record(stage, split, shard) for shard in plan.shards[split]]


def prepared(split, shard):
    """The record of a shard's working copies, if there are any."""
    return shard_record("prepare_images", split, shard) if plan.originals else []


def prepared_records():
    """The records of all working copies; the training manifest's check goes through all splits."""
    splits = plan.shards if plan.originals else ()
    return [record for split in splits for record in records("prepare_images", split)]


def corrections(stage):
    """An input function: the corrected labels, if there are any and the stage's variant uses them."""

    def used(wildcards):
        asked = getattr(variant(stage, wildcards), "use_corrections", True)
        return dataset_files.corrections_record(plan, used=asked)

    return used


def folder_of(key):
    """A params function: the folder of the files that a record, an input, vouches for."""
    return lambda wildcards, input: str(Path(input[key]).parent).removesuffix(".shards")


def training(stage):
    """A params function: what the training of a stage's variant depends on."""
    return lambda wildcards: variant(stage, wildcards).used_in_training()


def part(stage, key):
    """A params function: one part of a variant's settings."""
    return lambda wildcards: getattr(variant(stage, wildcards), key).plain()


def untracked(value):
    """A params function: a value whose change triggers no rerun.

    Snakemake compares no parameter whose function takes `threads`.
    """
    return lambda wildcards, threads: value


def training_run(stage):
    """Params of how a training runs, which its result does not depend on; each `untracked`."""
    return {
        "workers": untracked(settings.compute.workers),
        "devices": untracked(compute.training_devices(settings.compute)),
        "save_every": lambda wildcards, threads: variant(stage, wildcards).save_every,
    }


def beside_gpu(wildcards, threads):
    """Processes that write beside an inference job's GPU; `untracked`."""
    return threads - 1 if GPUS else 0


@cache
def code(script, *modules):
    """Fingerprint of a rule's script, and of modules and what they import inside the package.

    The profiles leave out Snakemake's own trigger `code`: it goes by the dates of scripts, which
    another branch's checkout changes.
    """
    return call_or_exit(fingerprint, f"workflow_scripts.{script}", *modules)


onstart:
    if unlisted := unlisted_rows(plan.source, plan.ids):
        logger.warning(
            f"{len(unlisted)} image(s) with labels are in no list and are left out: {some_of(unlisted)}"
        )
