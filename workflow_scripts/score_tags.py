"""Class probabilities of the training images (rule score_tags)."""

from ssenet_core.cam.tagging import score_tags
from ssenet_core.jobs import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        score_tags(
            checkpoints=snakemake.input.checkpoints,
            manifests=snakemake.input.manifests,
            output=snakemake.output.probabilities,
            held_out=snakemake.params.held_out,
            **snakemake.params.view,
        )
