"""Dense CRF of a shard's class activation maps (rules refine_cam_*)."""

from ssenet_core.job import job
from ssenet_core.refine import refine_cam

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        refine_cam(
            manifest=snakemake.input.manifest,
            maps_dir=snakemake.params.maps_dir,
            files=snakemake.output.files,
            record=snakemake.output.record,
            shard=snakemake.params.shard,
            settings=snakemake.params.settings,
        )
