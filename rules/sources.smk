"""What rules/download.smk fetches: where it lies, where it comes from, and which of it is needed."""

from snakemake.logging import logger

SOURCES = SETTINGS.download
ARCHIVES = f"{SOURCES.folder}/archives"
WEIGHTS = f"{SOURCES.folder}/weights"
VOC_RECORD = f"{VOC}/.complete.json"
AUG = f"{VOC}/SegmentationClassAug"
AUG_RECORD = f"{AUG}/.complete.json"
TRAIN_AUG = f"{VOC}/ImageSets/Segmentation/train_aug.txt"
RESNET38 = weights_file("resnet38", WEIGHTS)
RESNET38_PARAMS = "ilsvrc-cls_rna-a1_cls1000_ep-0001.params"
# Rules make files of weights that are not here alone: a user's own is never made anew.
ABSENT = [name for name in SOURCES.weights if not os.path.exists(f"{WEIGHTS}/{name}")]


def source_of(name):
    """A params function: an entry of the section; not compared (see `save_every`)."""
    return lambda wildcards, threads: getattr(SOURCES, name).plain()


def weights_source(wildcards, threads):
    """A file of weights' entry; not compared."""
    return SOURCES.weights[wildcards.file].plain()


def voc_root(wildcards):
    """Where VOC 2012 lies."""
    return VOC


def first_weights_files():
    """Files of first weights that the configuration's variants name."""
    named = {
        file_of_weights(section, name)
        for section in ("cam", "affinity", "deeplab")
        for name in getattr(SETTINGS, section).variants
    }
    return sorted(filter(None, named))


def to_be_fetched(wildcards):
    """What the configuration needs and is not here, of all that the rules here make."""
    wanted = [TRAIN_AUG if file == TRAIN_AUG else VOC_RECORD for file in AWAITED]
    if is_voc2012() and DATASET.mask_dir == "SegmentationClassAug" and not is_filled(AUG):
        wanted.append(AUG_RECORD)
    known = {RESNET38, *(f"{WEIGHTS}/{name}" for name in ABSENT)}
    wanted += [file for file in first_weights_files() if file in known and not os.path.exists(file)]
    return list(dict.fromkeys(wanted))


def awaited_message():
    """What is missing, and the command that fetches it."""
    files = [str(file) for file in workflow.overwrite_configfiles or []]
    options = f" --configfile {' '.join(files)}" if files else ""
    return (
        f"the dataset {DATASET.name} is not here: {', '.join(AWAITED)} missing; fetch it first: "
        f"snakemake{options} --cores 1 download"
    )


def refuse_awaited(wildcards):
    """An input function of what cannot be made without the dataset."""
    raise WorkflowError(awaited_message())


def unlisted_message(images):
    """What to say of rows in the tags file that no list has."""
    table = os.path.normpath(os.path.join(DATASET.root, DATASET.tags_csv.train))
    return f"{table}: {len(images)} image(s) with a row are in no list and are left out: {some_of(images)}"


if AWAITED and workflow.is_main_process:
    logger.warning(awaited_message())
elif workflow.is_main_process and (unlisted := clean(unlisted_rows, DATASET, IDS)):
    logger.warning(unlisted_message(unlisted))
