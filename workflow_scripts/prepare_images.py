"""Write a shard's working copies of photographs and masks (rules prepare_images_*)."""

from pathlib import Path

from ssenet_core.data.prepare import prepare_images
from ssenet_core.jobs import job
from ssenet_core.settings import DatasetSettings

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        prepare_images(
            dataset=DatasetSettings.model_validate(snakemake.params.dataset),
            images=[Path(file) for file in snakemake.output.images],
            masks=[Path(file) for file in snakemake.output.masks],
            record=snakemake.output.record,
        )
