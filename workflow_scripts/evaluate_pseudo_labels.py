"""Score pseudo labels (rule evaluate_pseudo_labels)."""

from ssenet_core.evaluation.stages import evaluate_labels
from ssenet_core.jobs import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        evaluate_labels(
            manifest=snakemake.input.manifest,
            labels_dir=snakemake.params.labels_dir,
            output=snakemake.output.scores,
            stage="random_walk",
            name="/".join(snakemake.wildcards),
        )
