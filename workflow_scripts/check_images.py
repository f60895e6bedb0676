"""Check a shard's images and write its manifest (rules check_images_*)."""

from ssenet_core.data.check import check_images
from ssenet_core.jobs import job
from ssenet_core.settings import DatasetSettings

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        check_images(
            dataset=DatasetSettings.model_validate(snakemake.params.dataset),
            split=snakemake.params.settings["split"],
            ids=snakemake.params.ids,
            output=snakemake.output.manifest,
            prepared=snakemake.input.prepared or None,
        )
