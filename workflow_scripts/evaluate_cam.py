"""Score class activation maps (rule evaluate_cam)."""

from ssenet_core.evaluation.stages import evaluate_cam
from ssenet_core.jobs import job
from ssenet_core.settings import AlphaGrid

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        evaluate_cam(
            manifest=snakemake.input.manifest,
            maps_dir=snakemake.params.maps_dir,
            output=snakemake.output.scores,
            name=snakemake.wildcards.cam,
            alpha=snakemake.params.alpha,
            alphas=AlphaGrid.model_validate(snakemake.params.alphas),
        )
