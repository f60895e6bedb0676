"""Write the manifest of the training images with masks (rule manifest_pseudo_eval)."""

from ssenet_core.data.check import check_split
from ssenet_core.jobs import job
from ssenet_core.settings import DatasetSettings

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        check_split(
            dataset=DatasetSettings.model_validate(snakemake.params.dataset),
            split="pseudo_eval",
            output=snakemake.output.manifest,
        )
