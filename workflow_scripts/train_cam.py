"""Train one CAM network (rule train_cam)."""

from ssenet_core.cam.training import train_cam
from ssenet_core.jobs import job
from ssenet_core.settings import CamTraining
from ssenet_core.training.launch import launch
from ssenet_core.training.run import TrainingRun

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        launch(
            train_cam,
            TrainingRun.of_job(snakemake),
            CamTraining.model_validate(snakemake.params.settings),
        )
