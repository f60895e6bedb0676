"""Scores over test scales as a figure (rules figure4, figure5)."""

from ssenet_core.job import job
from ssenet_core.report.paper_figures import figure4, figure5

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        draw = {4: figure4, 5: figure5}[snakemake.params.number]
        draw(snakemake.input.evaluations, snakemake.output.figure)
