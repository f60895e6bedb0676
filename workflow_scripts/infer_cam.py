"""Class activation maps of a shard's images (rules infer_cam_*)."""

if __name__ == "__main__":
    # Not for the processes beside this one, which import this file.
    from ssenet_core.cam.inference import infer_cam
    from ssenet_core.jobs import job
    from ssenet_core.settings import CamInference
    from ssenet_core.shard import Shard

    with job(snakemake.log[0], snakemake.threads - snakemake.params.workers):
        infer_cam(
            Shard.of_job(snakemake),
            CamInference.model_validate(snakemake.params.settings),
            checkpoint=snakemake.input.checkpoint,
            workers=snakemake.params.workers,
        )
