"""Predictions for a shard's images (rules predict_*)."""

from ssenet_core.deeplab.inference import predict
from ssenet_core.job import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        predict(
            manifest=snakemake.input.manifest,
            checkpoint=snakemake.input.checkpoint,
            files=snakemake.output.files,
            record=snakemake.output.record,
            shard=snakemake.params.shard,
            settings=snakemake.params.settings,
        )
