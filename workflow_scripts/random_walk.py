"""Pseudo labels of a shard's images (rules random_walk_*)."""

from ssenet_core.affinity.inference import random_walk
from ssenet_core.job import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        random_walk(
            manifest=snakemake.input.manifest,
            checkpoint=snakemake.input.checkpoint,
            maps_dir=snakemake.params.maps_dir,
            files=snakemake.output.files,
            record=snakemake.output.record,
            shard=snakemake.params.shard,
            settings=snakemake.params.settings,
        )
