"""The report of a run: tables, figures, and images through all stages."""


rule report:
    input:
        evaluations=run_evaluations(),
        trivial=[f"{D}/trivial/{split}.json" for split in SCORED],
        equivariance=of_cams(f"{CAM}/evaluation/equivariance.json", ALL_CAMS),
        metrics=list(run_metrics().values()),
        manifests=[f"{D}/manifest/{split}.json" for split in SPLITS],
        gallery=gallery_files(),
    output:
        json=f"{D}/report/results.json",
        markdown=f"{D}/report/results.md",
        html=f"{D}/report/index.html",
        gallery=f"{D}/report/figures/gallery.png",
    log:
        f"{LOGS}/report.log",
    conda:
        "../envs/ssenet.yaml"
    resources:
        mem_mb=COMPUTE["shard_mem_mb"],
        runtime=60,
    params:
        title=f"SSENet on {config['dataset']['name']}",
        settings=run_settings(),
        metrics=run_metrics(),
        manifests={split: f"{D}/manifest/{split}.json" for split in SPLITS},
        gallery=gallery(),
        benchmarks=TIMES,
        code=code("ssenet_core.report.build"),
    message:
        "Writing the report of {DATASET[name]}"
    script:
        "../workflow_scripts/report.py"
