"""Score the answers that need no network (rule evaluate_trivial)."""

from ssenet_core.evaluation.stages import evaluate_trivial
from ssenet_core.jobs import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        evaluate_trivial(
            manifest=snakemake.input.manifest,
            output=snakemake.output.scores,
            ellipse=snakemake.params.ellipse,
        )
