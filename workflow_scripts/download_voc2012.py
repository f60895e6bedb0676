"""Fetch PASCAL VOC 2012 (rule download_voc2012)."""

from ssenet_core.data.voc2012 import fetch_voc2012
from ssenet_core.job import job
from ssenet_core.settings import Source

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        fetch_voc2012(
            source=Source.model_validate(snakemake.params.source),
            archive=snakemake.params.archive,
            root=snakemake.params.root,
        )
