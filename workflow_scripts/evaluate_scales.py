"""Scores of a CAM network at every test scale (rule evaluate_scales)."""

from ssenet_core.evaluation.scales import evaluate_scales
from ssenet_core.jobs import job
from ssenet_core.settings import AlphaGrid, CamInference

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        evaluate_scales(
            manifest=snakemake.input.manifest,
            checkpoint=snakemake.input.checkpoint,
            output=snakemake.output.scores,
            name=snakemake.wildcards.cam,
            settings=CamInference.model_validate(snakemake.params.settings),
            scales=snakemake.params.scales,
            alpha=snakemake.params.alpha,
            alphas=AlphaGrid.model_validate(snakemake.params.alphas),
        )
