"""Measure how far the labels of a chain's stages agree (rule measure_agreement)."""

from ssenet_core.evaluation.agreement import measure_agreement
from ssenet_core.jobs import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        measure_agreement(
            manifest=snakemake.input.manifest,
            refined_dir=snakemake.params.refined_dir,
            pseudo_dir=snakemake.params.pseudo_dir,
            prediction_dir=snakemake.params.prediction_dir,
            output=snakemake.output.agreement,
            name="/".join(snakemake.wildcards),
        )
