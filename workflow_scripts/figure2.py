"""Class activation maps over test scales (rule figure2)."""

from ssenet_core.jobs import job
from ssenet_core.report.paper import figure2

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        figure2(
            manifest=snakemake.input.manifest,
            images=snakemake.params.images,
            checkpoints=dict(zip(snakemake.params.names, snakemake.input.checkpoints, strict=True)),
            scales=snakemake.params.scales,
            precision=snakemake.params.precision,
            output=snakemake.output.figure,
        )
