"""Scores of every stage that yields labels, on the splits that have masks."""

for split in plan.scored:

    rule:
        name:
            f"evaluate_cam_{split}"
        input:
            *records("infer_cam", split),
            manifest=f"<results>/manifest/{split}.json",
        output:
            scores=f"<cam>/evaluation/{split}.json",
        log:
            f"<logs>/evaluate_cam/{{cam}}/{split}.log",
        benchmark:
            f"<benchmarks>/evaluate_cam/{{cam}}/{split}.tsv"
        conda:
            "../envs/ssenet.yaml"
        resources:
            **SCORING,
        params:
            maps_dir=folder_of(0),
            alpha=settings.evaluation.alpha,
            alphas=settings.evaluation.alphas.plain(),
            code=code("evaluate_cam", "ssenet_core.evaluation.stages"),
        message:
            f"Scoring the maps of {{wildcards.cam}} on {split}"
        script:
            "../workflow_scripts/evaluate_cam.py"


rule evaluate_equivariance:
    input:
        manifest=f"<results>/manifest/{plan.gallery_split}.json",
        checkpoint=rules.train_cam.output.checkpoint,
    output:
        scores="<cam>/evaluation/equivariance.json",
        figure=report(
            "<cam>/evaluation/equivariance.png",
            caption="captions/equivariance.rst",
            category="Equivariance",
            labels={"network": "{cam}"},
        ),
    log:
        "<logs>/evaluate_equivariance/{cam}.log",
    benchmark:
        "<benchmarks>/evaluate_equivariance/{cam}.tsv"
    conda:
        "../envs/ssenet.yaml"
    resources:
        gpu=GPUS,
        mem_mb=growing(SHARD_MEM_MB),
        runtime=growing(60),
    params:
        settings=settings.evaluation.equivariance.plain(),
        code=code("evaluate_equivariance", "ssenet_core.evaluation.equivariance"),
    message:
        "Measuring the equivariance of {wildcards.cam}"
    script:
        "../workflow_scripts/evaluate_equivariance.py"


rule evaluate_crf:
    input:
        *records("refine_cam", "pseudo_eval"),
        manifest="<results>/manifest/pseudo_eval.json",
    output:
        scores="<cam>/evaluation/pseudo_eval_crf.json",
    log:
        "<logs>/evaluate_crf/{cam}/pseudo_eval.log",
    benchmark:
        "<benchmarks>/evaluate_crf/{cam}/pseudo_eval.tsv"
    conda:
        "../envs/ssenet.yaml"
    resources:
        **SCORING,
    params:
        refined_dir=folder_of(0),
        code=code("evaluate_crf", "ssenet_core.evaluation.stages"),
    message:
        "Scoring the refined maps of {wildcards.cam} on pseudo_eval"
    script:
        "../workflow_scripts/evaluate_crf.py"


rule evaluate_pseudo_labels:
    input:
        *records("random_walk", "pseudo_eval"),
        manifest="<results>/manifest/pseudo_eval.json",
    output:
        scores="<affinity>/evaluation/pseudo_eval.json",
    log:
        "<logs>/evaluate_pseudo_labels/{cam}/{affinity}/pseudo_eval.log",
    benchmark:
        "<benchmarks>/evaluate_pseudo_labels/{cam}/{affinity}/pseudo_eval.tsv"
    conda:
        "../envs/ssenet.yaml"
    resources:
        **SCORING,
    params:
        labels_dir=folder_of(0),
        code=code("evaluate_pseudo_labels", "ssenet_core.evaluation.stages"),
    message:
        "Scoring the pseudo labels of {wildcards.cam}/{wildcards.affinity} on pseudo_eval"
    script:
        "../workflow_scripts/evaluate_pseudo_labels.py"


if "val" in plan.scored:

    rule evaluate_predictions:
        input:
            *records("predict", "val"),
            manifest="<results>/manifest/val.json",
        output:
            scores="<deeplab>/evaluation/val.json",
        log:
            "<logs>/evaluate_predictions/{cam}/{affinity}/{deeplab}/val.log",
        benchmark:
            "<benchmarks>/evaluate_predictions/{cam}/{affinity}/{deeplab}/val.tsv"
        conda:
            "../envs/ssenet.yaml"
        resources:
            **SCORING,
        params:
            labels_dir=folder_of(0),
            code=code("evaluate_predictions", "ssenet_core.evaluation.stages"),
        message:
            "Scoring {wildcards.cam}/{wildcards.affinity}/{wildcards.deeplab} on val"
        script:
            "../workflow_scripts/evaluate_predictions.py"


rule evaluate_trivial:
    input:
        manifest="<results>/manifest/{split}.json",
    output:
        scores="<results>/trivial/{split}.json",
    log:
        "<logs>/evaluate_trivial/{split}.log",
    benchmark:
        "<benchmarks>/evaluate_trivial/{split}.tsv"
    wildcard_constraints:
        split="pseudo_eval|val",
    conda:
        "../envs/ssenet.yaml"
    resources:
        **LIGHT,
    params:
        ellipse=settings.evaluation.ellipse,
        code=code("evaluate_trivial", "ssenet_core.evaluation.stages"),
    message:
        "Scoring the trivial answers on {wildcards.split}"
    script:
        "../workflow_scripts/evaluate_trivial.py"
