"""Pseudo labels of a shard's images (rules random_walk_*)."""

if __name__ == "__main__":
    # Not for the processes beside this one, which import this file.
    from ssenet_core.affinity.inference import random_walk
    from ssenet_core.jobs import job
    from ssenet_core.settings import RandomWalk
    from ssenet_core.shard import Shard

    with job(snakemake.log[0], snakemake.threads - snakemake.params.workers):
        random_walk(
            Shard.of_job(snakemake),
            RandomWalk.model_validate(snakemake.params.settings),
            checkpoint=snakemake.input.checkpoint,
            workers=snakemake.params.workers,
            maps_dir=snakemake.params.maps_dir,
        )
