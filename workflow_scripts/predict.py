"""Predictions for a shard's images (rules predict_*)."""

if __name__ == "__main__":
    # Not for the processes beside this one, which import this file.
    from ssenet_core.deeplab.inference import predict
    from ssenet_core.jobs import job
    from ssenet_core.settings import Prediction
    from ssenet_core.shard import Shard

    with job(snakemake.log[0], snakemake.threads - snakemake.params.workers):
        predict(
            Shard.of_job(snakemake),
            Prediction.model_validate(snakemake.params.settings),
            checkpoint=snakemake.input.checkpoint,
            workers=snakemake.params.workers,
        )
