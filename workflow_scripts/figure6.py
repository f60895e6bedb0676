"""Predictions beside the truth (rule figure6)."""

from ssenet_core.jobs import job
from ssenet_core.report.paper import figure6

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        figure6(
            manifest=snakemake.input.manifest,
            images=snakemake.params.images,
            predictions_dir=snakemake.params.predictions_dir,
            output=snakemake.output.figure,
        )
