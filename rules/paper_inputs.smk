"""What the paper's tables and figures show: variants, and the files behind them."""

PAPER = f"{D}/paper"
SHOWN = SETTINGS.paper
PAPER_LOGS = f"{LOGS}/paper"
CHAIN_BEHIND = {"affinity": SHOWN.affinity, "deeplab": SHOWN.deeplab}


def seeded_cams(names):
    """CAM variants, one name a seed."""
    return [SETTINGS.seeded("cam", name, seed) for name in names for seed in SEEDS]


def paper_chains(names):
    """The chains behind CAM variants, one a seed, as wildcards."""
    return [
        {
            key: SETTINGS.seeded(key, variant, seed)
            for key, variant in {**CHAIN_BEHIND, "cam": name}.items()
        }
        for name in names
        for seed in SEEDS
    ]


def of_paper_chains(pattern, names):
    """A path of every chain behind CAM variants."""
    return [pattern.format(**chain) for chain in paper_chains(names)]


TABLE_CAMS = {1: SHOWN.table1, 2: SHOWN.table2, 3: ()}  # a row each


def table_models(number):
    """What a table reads of its CAM variants' settings."""
    read = {"ser", "resize"}
    return {
        name: resolved("cam", name).model_dump(mode="json", include=read)
        for name in TABLE_CAMS[number]
    }


def table_evaluations(number):
    """The evaluations that a table shows."""
    if number == 3:
        return of_paper_chains(f"{DEEPLAB}/evaluation/val.json", SHOWN.compared[-1:])
    names = TABLE_CAMS[number]
    found = of_cams(f"{CAM}/evaluation/pseudo_eval.json", seeded_cams(names))
    if number == 1:
        found += of_paper_chains(f"{AFFINITY}/evaluation/pseudo_eval.json", names)
    return found


def refuse_unscored(split):
    """An input function of what cannot be made without masks."""

    def refuse(wildcards):
        raise WorkflowError(
            f"this target shows scores on {split}, which the dataset {DATASET.name} has no masks "
            "for: see dataset.mask_dir and dataset.lists"
        )

    return refuse


TABLE_TITLES = {
    1: "Table 1: baseline and SSENet by the small branch's rate, pseudo_eval",
    2: "Table 2: baseline and SSENet by the range of scales in training, pseudo_eval",
    3: "Table 3: the segmentation network, val",
}
TABLE_SPLITS = {1: "pseudo_eval", 2: "pseudo_eval", 3: "val"}
