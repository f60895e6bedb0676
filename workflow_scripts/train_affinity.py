"""Train one AffinityNet on refined class activation maps (rule train_affinity)."""

from ssenet_core.affinity.training import train_affinity
from ssenet_core.jobs import job
from ssenet_core.settings import AffinityTraining
from ssenet_core.training.launch import launch
from ssenet_core.training.run import TrainingRun

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        launch(
            train_affinity,
            TrainingRun.of_job(snakemake),
            AffinityTraining.model_validate(snakemake.params.settings),
            labels_dir=snakemake.params.labels_dir,
            corrections=snakemake.input.get("corrections") or None,
            powers=snakemake.params.powers,
        )
