"""Dense CRF of a shard's class activation maps (rules refine_cam_*)."""

from ssenet_core.jobs import job
from ssenet_core.refine import refine_cam
from ssenet_core.settings import RefineSettings
from ssenet_core.shard import Shard

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        refine_cam(
            Shard.of_job(snakemake),
            RefineSettings.model_validate(snakemake.params.settings),
            maps_dir=snakemake.params.maps_dir,
        )
