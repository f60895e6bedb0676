"""Join the manifests of a split's shards (rules manifest_*)."""

from ssenet_core.data.check import join_manifests
from ssenet_core.jobs import job
from ssenet_core.settings import DatasetSettings

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        join_manifests(
            dataset=DatasetSettings.model_validate(snakemake.params.dataset),
            split=snakemake.params.settings["split"],
            parts=snakemake.input.parts,
            output=snakemake.output.manifest,
        )
