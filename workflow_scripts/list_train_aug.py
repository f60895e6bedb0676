"""List VOC's and SBD's training images (rule list_train_aug)."""

from ssenet_core.data.voc2012 import write_train_aug
from ssenet_core.jobs import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        write_train_aug(
            root=snakemake.params.root,
            output=snakemake.output.list,
        )
