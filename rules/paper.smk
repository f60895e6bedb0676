"""The paper's tables and figures, by name, on whatever dataset is configured."""

for number, title in TABLE_TITLES.items():
    if TABLE_SPLITS[number] in SCORED:

        rule:
            name:
                f"table{number}"
            input:
                evaluations=table_evaluations(number),
                archive=f"{PAPER}/test.tgz" if number == 3 and "test" in SPLITS else [],
            output:
                markdown=report(
                    f"{PAPER}/table{number}.md",
                    caption="captions/table.rst",
                    category="The paper",
                    labels={"what": f"Table {number}"},
                ),
                json=f"{PAPER}/table{number}.json",
            log:
                f"{PAPER_LOGS}/table{number}.log",
            localrule: True
            conda:
                "../envs/ssenet.yaml"
            resources:
                mem_mb=growing(1000),
                runtime=growing(10),
            params:
                number=number,
                title=title,
                models=table_models(number),
                published=SHOWN.published,
                code=code("table", "ssenet_core.report.paper"),
            message:
                title
            script:
                "../workflow_scripts/table.py"

    else:

        rule:
            name:
                f"table{number}"
            input:
                refuse_unscored(TABLE_SPLITS[number]),
            message:
                title


if "test" in SPLITS:

    rule test_archive:
        input:
            manifest=f"{D}/manifest/test.json",
            predictions=[
                record.format(**paper_chains(SHOWN.compared[-1:])[0])
                for record in records("predict", "test")
            ],
        output:
            archive=f"{PAPER}/test.tgz",
        log:
            f"{PAPER_LOGS}/test_archive.log",
        conda:
            "../envs/ssenet.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(30),
        params:
            predictions_dir=folder_of("predictions"),
            code=code("test_archive", "ssenet_core.report.paper"),
        message:
            "Packing the predictions of test for VOC's evaluation server"
        script:
            "../workflow_scripts/test_archive.py"


if "pseudo_eval" in SCORED:

    rule evaluate_scales:
        input:
            manifest=f"{D}/manifest/pseudo_eval.json",
            checkpoint=rules.train_cam.output.checkpoint,
        output:
            scores=f"{CAM}/evaluation/pseudo_eval_scales.json",
        log:
            f"{LOGS}/evaluate_scales/{{cam}}.log",
        benchmark:
            f"{TIMES}/evaluate_scales/{{cam}}.tsv"
        conda:
            "../envs/ssenet.yaml"
        resources:
            gpu=GPUS,
            mem_mb=growing(COMPUTE.shard_mem_mb),
            runtime=growing(240),
        params:
            settings=part("cam", "inference"),
            scales=SHOWN.scales,
            alpha=SETTINGS.evaluation.alpha,
            alphas=SETTINGS.evaluation.alphas.plain(),
            code=code("evaluate_scales", "ssenet_core.evaluation.scales"),
        message:
            "Scoring the maps of {wildcards.cam} at every scale"
        script:
            "../workflow_scripts/evaluate_scales.py"

    for number in (4, 5):

        rule:
            name:
                f"figure{number}"
            input:
                evaluations=of_cams(rules.evaluate_scales.output.scores, SHOWN.compared),
            output:
                figure=report(
                    f"{PAPER}/figure{number}.png",
                    caption=f"captions/figure{number}.rst",
                    category="The paper",
                    labels={"what": f"Figure {number}"},
                ),
            log:
                f"{PAPER_LOGS}/figure{number}.log",
            localrule: True
            conda:
                "../envs/ssenet.yaml"
            resources:
                mem_mb=growing(1000),
                runtime=growing(10),
            params:
                number=number,
                code=code("scale_figure", "ssenet_core.report.paper"),
            message:
                f"Figure {number}"
            script:
                "../workflow_scripts/scale_figure.py"

else:
    for number in (4, 5):

        rule:
            name:
                f"figure{number}"
            input:
                refuse_unscored("pseudo_eval"),
            message:
                f"Figure {number}"


rule figure1:
    input:
        pictures=of_cams(rules.evaluate_equivariance.output.figure, SHOWN.compared),
    output:
        figure=report(
            f"{PAPER}/figure1.png",
            caption="captions/figure1.rst",
            category="The paper",
            labels={"what": "Figure 1"},
        ),
    log:
        f"{PAPER_LOGS}/figure1.log",
    conda:
        "../envs/ssenet.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        names=SHOWN.compared,
        code=code("figure1", "ssenet_core.report.paper"),
    message:
        "Figure 1"
    script:
        "../workflow_scripts/figure1.py"


rule figure2:
    input:
        manifest=f"{D}/manifest/{GALLERY_SPLIT}.json",
        checkpoints=of_cams(rules.train_cam.output.checkpoint, SHOWN.compared),
    output:
        figure=report(
            f"{PAPER}/figure2.png",
            caption="captions/figure2.rst",
            category="The paper",
            labels={"what": "Figure 2"},
        ),
    log:
        f"{PAPER_LOGS}/figure2.log",
    conda:
        "../envs/ssenet.yaml"
    resources:
        gpu=GPUS,
        mem_mb=growing(COMPUTE.shard_mem_mb),
        runtime=growing(30),
    params:
        images=figure_ids(GALLERY_SPLIT),
        names=SHOWN.compared,
        scales=SHOWN.scales,
        precision=SETTINGS.cam.defaults.inference.precision,
        code=code("figure2", "ssenet_core.report.paper"),
    message:
        "Figure 2"
    script:
        "../workflow_scripts/figure2.py"


if "val" in SPLITS:

    rule figure6:
        input:
            manifest=f"{D}/manifest/val.json",
            predictions=[
                record.format(**paper_chains(SHOWN.compared[-1:])[0])
                for record in records("predict", "val")
            ],
        output:
            figure=report(
                f"{PAPER}/figure6.png",
                caption="captions/figure6.rst",
                category="The paper",
                labels={"what": "Figure 6"},
            ),
        log:
            f"{PAPER_LOGS}/figure6.log",
        conda:
            "../envs/ssenet.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(10),
        params:
            images=figure_ids("val"),
            predictions_dir=folder_of("predictions"),
            code=code("figure6", "ssenet_core.report.paper"),
        message:
            "Figure 6"
        script:
            "../workflow_scripts/figure6.py"
