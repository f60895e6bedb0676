"""Scores over test scales as a figure (rules figure4, figure5)."""

from ssenet_core.jobs import job
from ssenet_core.report.paper import scale_figure

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        scale_figure(snakemake.params.number, snakemake.input.evaluations, snakemake.output.figure)
