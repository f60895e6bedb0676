"""Train one AffinityNet on refined class activation maps (rule train_affinity)."""

from ssenet_core.affinity.training import train_affinity
from ssenet_core.job import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        train_affinity(
            manifest=snakemake.input.manifest,
            labels_dir=snakemake.params.labels_dir,
            powers=snakemake.params.powers,
            checkpoint=snakemake.output.checkpoint,
            metrics=snakemake.output.metrics,
            settings=snakemake.params.settings,
            code=snakemake.params.code,
            workers=snakemake.params.workers,
            save_every=snakemake.params.save_every,
            weights=snakemake.input.get("weights") or None,
        )
