"""Measure a CAM network's equivariance (rule evaluate_equivariance)."""

from ssenet_core.evaluation.equivariance import evaluate_equivariance
from ssenet_core.jobs import job
from ssenet_core.settings import EquivarianceSettings

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        evaluate_equivariance(
            manifest=snakemake.input.manifest,
            checkpoint=snakemake.input.checkpoint,
            settings=EquivarianceSettings.model_validate(snakemake.params.settings),
            output=snakemake.output.scores,
            figure=snakemake.output.figure,
            name=snakemake.wildcards.cam,
        )
