"""Train one DeepLab on pseudo labels (rule train_deeplab)."""

from ssenet_core.deeplab.training import train_deeplab
from ssenet_core.jobs import job
from ssenet_core.settings import DeepLabTraining
from ssenet_core.training.launch import launch
from ssenet_core.training.run import TrainingRun

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        launch(
            train_deeplab,
            TrainingRun.of_job(snakemake),
            DeepLabTraining.model_validate(snakemake.params.settings),
            labels_dir=snakemake.params.labels_dir,
            corrections=snakemake.input.get("corrections") or None,
        )
