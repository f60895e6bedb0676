"""The archive for VOC's evaluation server (rule test_archive)."""

from ssenet_core.data.manifest import load_manifest
from ssenet_core.jobs import job
from ssenet_core.report.paper import pack_predictions

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        pack_predictions(
            [image.id for image in load_manifest(snakemake.input.manifest).images],
            snakemake.params.predictions_dir,
            snakemake.output.archive,
        )
