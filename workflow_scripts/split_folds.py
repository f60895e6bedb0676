"""Split the training images into folds (rule split_folds)."""

from ssenet_core.data.folds import split_folds
from ssenet_core.jobs import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        split_folds(
            manifest=snakemake.input.manifest,
            seen=snakemake.output.seen,
            held_out=snakemake.output.held_out,
        )
