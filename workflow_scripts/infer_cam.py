"""Class activation maps of a shard's images (rules infer_cam_*)."""

from ssenet_core.cam.inference import infer_cam
from ssenet_core.job import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        infer_cam(
            manifest=snakemake.input.manifest,
            checkpoint=snakemake.input.checkpoint,
            files=snakemake.output.files,
            record=snakemake.output.record,
            shard=snakemake.params.shard,
            settings=snakemake.params.settings,
        )
