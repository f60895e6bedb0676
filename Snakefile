"""Weakly supervised semantic segmentation from image-level labels.

snakemake --cores 2                                            # the synthetic dataset, config.yaml
snakemake --cores 2 --configfile recipes/msrc14.yaml           # another dataset
snakemake --cores 2 results/shapes/cam/ssenet@3/model.pt       # any file, any variant, any seed
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: workflow.source_path("config.yaml")


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/cam.smk"
include: "rules/affinity.smk"
include: "rules/deeplab.smk"
include: "rules/masks.smk"
include: "rules/evaluation.smk"
include: "rules/doubts.smk"
include: "rules/report.smk"
include: "rules/paper.smk"


localrules:
    all,
    masks,


rule all:
    default_target: True
    input:
        targets.run_files(plan),
        rules.report.output,
    message:
        "Everything is made"
