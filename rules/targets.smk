"""What the default target asks for: every file of the run's networks and chains, and the report."""

SEEDS = SETTINGS.run.seeds
CAMS = [  # one name a seed
    SETTINGS.seeded("cam", cam, seed) for cam in SETTINGS.run.cams for seed in SEEDS
]
CHAINS = [
    {key: SETTINGS.seeded(key, name, seed) for key, name in chain}
    for chain in SETTINGS.run.chains
    for seed in SEEDS
]
CHAIN_CAMS = [chain["cam"] for chain in CHAINS]
ALL_CAMS = list(dict.fromkeys(CAMS + CHAIN_CAMS))
# The variants that these start from; they are made on the way.
START_CAMS = [start for cam in ALL_CAMS for start in starts_of(cam)]
TRAINED_CAMS = list(dict.fromkeys(START_CAMS + ALL_CAMS))
GALLERY_SPLIT = "pseudo_eval" if "pseudo_eval" in SPLITS else "train"


def of_chains(pattern):
    """A path of every chain."""
    return list(dict.fromkeys(pattern.format(**chain) for chain in CHAINS))


def of_cams(pattern, names):
    """A path of every one of some CAM networks."""
    return list(dict.fromkeys(pattern.format(cam=name) for name in names))


def measured_scales():
    """Scores by test scale, as far as they are here: figure4 and figure5 have them made."""
    files = of_cams(f"{CAM}/evaluation/pseudo_eval_scales.json", ALL_CAMS)
    return [file for file in files if os.path.exists(file)]


def refuse_missing_weights():
    """End the workflow if files of first weights that the run names are missing.

    Snakemake passes over what an input function raises where the rule's files are there already.
    """
    networks = [("cam", name) for name in TRAINED_CAMS]
    networks += [(key, chain[key]) for chain in CHAINS for key in ("affinity", "deeplab")]
    for section, name in networks:
        existing_weights(section, name)


def names_in(folder):
    """Names of the files in a folder, if it exists."""
    return set(os.listdir(folder)) if os.path.isdir(folder) else set()


def run_files():
    """What the run makes image by image: records that no job waits for, and files that got lost.

    Snakemake looks at those files alone that are asked for. Asking for all of them costs it minutes
    and half a gigabyte at ten thousand images; a missing one a shard has the shard made again. A
    record asked for here costs it more than one that a job waits for: jobs tell it their wildcards.
    """
    refuse_missing_weights()
    scored_cams = ALL_CAMS if "pseudo_eval" in SCORED else CHAIN_CAMS
    folders = [  # folder, split, suffix, whether a job waits for all records
        *((at, "train", ".h5", True) for at in of_cams(f"{CAM}/maps", scored_cams)),
        *(
            (at, "train", ".h5", False)
            for at in of_cams(f"{CAM}/maps", ALL_CAMS)
            if at not in of_cams(f"{CAM}/maps", scored_cams)
        ),
        *((at, "train", ".h5", True) for at in of_cams(f"{CAM}/affinity_labels", CHAIN_CAMS)),
        *((at, "train", ".png", True) for at in of_chains(f"{AFFINITY}/pseudo_labels")),
        *((at, "val", ".png", "val" in SCORED) for at in of_chains(f"{DEEPLAB}/predictions")),
    ]
    wanted = lost_drawings()
    for folder, split, suffix, awaited in folders:
        there, done = names_in(f"{folder}/{split}"), names_in(f"{folder}/{split}.shards")
        for shard, ids in SHARDS.get(split, {}).items():
            if not awaited:
                wanted.append(f"{folder}/{split}.shards/{shard}.json")
            if f"{shard}.json" in done:
                lost = [name for name in ids if f"{name}{suffix}" not in there]
                wanted += per_image(f"{folder}/{split}", lost[:1], suffix)
    return wanted


def lost_drawings():
    """The first of the generated dataset's files that got lost; one has them all drawn again."""
    if DATASET.source != "shapes":
        return []
    ids = IDS["train"] + IDS["val"]
    lost = []
    for folder, suffix in (("JPEGImages", ".jpg"), ("SegmentationClass", ".png")):
        there = names_in(f"{DATASET.root}/{folder}")
        missing = [name for name in ids if there and f"{name}{suffix}" not in there]
        lost += per_image(f"{DATASET.root}/{folder}", missing[:1], suffix)
    return lost


def run_evaluations():
    """Scores of the run's stages, as far as there are masks."""
    files = []
    if "pseudo_eval" in SCORED:
        files += of_cams(f"{CAM}/evaluation/pseudo_eval.json", ALL_CAMS)
        files += of_cams(f"{CAM}/evaluation/pseudo_eval_crf.json", CHAIN_CAMS)
        files += of_chains(f"{AFFINITY}/evaluation/pseudo_eval.json")
    if "val" in SCORED:
        files += of_chains(f"{DEEPLAB}/evaluation/val.json")
    return files


def run_metrics():
    """Training name ("cam/ssenet") to its metrics."""
    models = [*of_cams(CAM, TRAINED_CAMS), *of_chains(AFFINITY), *of_chains(DEEPLAB)]
    return {str(Path(model).relative_to(D)): f"{model}/metrics.csv" for model in models}


def run_settings():
    """The settings of what the run makes, to be shown with its results."""
    names = {
        "cam": TRAINED_CAMS,
        "affinity": [chain["affinity"] for chain in CHAINS],
        "deeplab": [chain["deeplab"] for chain in CHAINS],
    }
    stages = {
        section: {
            name: resolved(section, name).model_dump(mode="json", exclude={"save_every"})
            for name in dict.fromkeys(variants)
        }
        for section, variants in names.items()
    }
    shown = {"dataset", "run", "refine", "evaluation"}
    return SETTINGS.model_dump(mode="json", include=shown) | stages


def gallery_ids(split):
    """Images of a split that the report shows, evenly spaced over its list."""
    return evenly_spaced(IDS.get(split, []), SETTINGS.run.gallery)


def figure_ids(split):
    """Images of a split that the paper's figures show: those of the gallery, one at least."""
    return gallery_ids(split) or IDS[split][:1]


def gallery():
    """What the report shows of each image: training images through all stages, then predictions."""
    alpha = SETTINGS.evaluation.alpha
    if not CHAINS:
        folders = {"cam": CAMS[0], "maps_dir": f"{D}/cam/{CAMS[0]}/maps/train"}
        return [
            {"id": name, "split": GALLERY_SPLIT, "alpha": alpha} | folders
            for name in gallery_ids(GALLERY_SPLIT)
        ]
    chain = CHAINS[0]
    folders = {
        "maps_dir": f"{CAM}/maps/train",
        "refined_dir": f"{CAM}/affinity_labels/train",
        "pseudo_dir": f"{AFFINITY}/pseudo_labels/train",
        "prediction_dir": f"{DEEPLAB}/predictions/gallery",
    }
    stages = {key: folder.format(**chain) for key, folder in folders.items()}
    predictions = {"prediction_dir": f"{DEEPLAB}/predictions/val".format(**chain)}
    shown = [(GALLERY_SPLIT, stages), ("val", predictions)]
    return [
        {"id": name, "split": split, "cam": chain["cam"], "alpha": alpha} | where
        for split, where in shown
        for name in gallery_ids(split)
    ]


def gallery_files():
    """The per-image files that the gallery shows."""
    suffixes = {
        "maps_dir": ".h5",
        "refined_dir": ".h5",
        "pseudo_dir": ".png",
        "prediction_dir": ".png",
    }
    return [
        f"{item[key]}/{item['id']}{suffix}"
        for item in gallery()
        for key, suffix in suffixes.items()
        if key in item
    ]
