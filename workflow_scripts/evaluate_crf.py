"""Score class activation maps after the dense CRF (rule evaluate_crf)."""

from ssenet_core.evaluation.stages import evaluate_crf
from ssenet_core.jobs import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        evaluate_crf(
            manifest=snakemake.input.manifest,
            refined_dir=snakemake.params.refined_dir,
            output=snakemake.output.scores,
            name=snakemake.wildcards.cam,
        )
