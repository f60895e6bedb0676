"""The report of a run: tables, figures, and images through all stages."""


report: "captions/workflow.rst"


rule report:
    input:
        evaluations=run_evaluations(),
        trivial=[f"{D}/trivial/{split}.json" for split in SCORED],
        equivariance=of_cams(f"{CAM}/evaluation/equivariance.json", ALL_CAMS),
        scales=measured_scales(),
        metrics=list(run_metrics().values()),
        manifests=[f"{D}/manifest/{split}.json" for split in SPLITS],
        gallery=gallery_files(),
    output:
        json=f"{D}/report/results.json",
        markdown=f"{D}/report/results.md",
        html=report(
            f"{D}/report/index.html",
            caption="captions/page.rst",
            category="Report",
            labels={"what": "scores, curves and images"},
        ),
        gallery=report(
            f"{D}/report/figures/gallery.png",
            caption="captions/gallery.rst",
            category="Report",
            labels={"what": "images on one sheet"},
        ),
    log:
        f"{LOGS}/report.log",
    conda:
        "../envs/ssenet.yaml"
    resources:
        mem_mb=growing(COMPUTE.shard_mem_mb),
        runtime=growing(60),
    params:
        title=f"SSENet on {SETTINGS.dataset.name}",
        settings=run_settings(),
        metrics=run_metrics(),
        manifests={split: f"{D}/manifest/{split}.json" for split in SPLITS},
        gallery=gallery(),
        benchmarks=TIMES,
        published=SETTINGS.paper.published,
        code=code("report", "ssenet_core.report.page"),
    message:
        "Writing the report of {DATASET.name}"
    script:
        "../workflow_scripts/report.py"
