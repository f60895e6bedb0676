"""Train one CAM network (rule train_cam)."""

from ssenet_core.cam.training import train_cam
from ssenet_core.job import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        train_cam(
            manifest=snakemake.input.manifest,
            checkpoint=snakemake.output.checkpoint,
            metrics=snakemake.output.metrics,
            settings=snakemake.params.settings,
            code=snakemake.params.code,
            workers=snakemake.params.workers,
            save_every=snakemake.params.save_every,
            weights=snakemake.input.get("weights") or None,
        )
