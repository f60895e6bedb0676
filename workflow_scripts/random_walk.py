"""Pseudo labels of a shard's images (rules random_walk_*)."""

from ssenet_core.affinity.inference import random_walk
from ssenet_core.job import job
from ssenet_core.shard import Shard

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        random_walk(
            Shard.of_job(snakemake),
            snakemake.params.settings,
            checkpoint=snakemake.input.checkpoint,
            maps_dir=snakemake.params.maps_dir,
        )
