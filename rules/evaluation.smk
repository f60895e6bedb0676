"""Scores of every stage that yields labels, on the splits that have masks."""

for split in SCORED:

    rule:
        name:
            f"evaluate_cam_{split}"
        input:
            manifest=f"{D}/manifest/{split}.json",
            maps=records("infer_cam", split),
        output:
            scores=f"{CAM}/evaluation/{split}.json",
        log:
            f"{LOGS}/evaluate_cam/{{cam}}/{split}.log",
        benchmark:
            f"{TIMES}/evaluate_cam/{{cam}}/{split}.tsv"
        conda:
            "../envs/ssenet.yaml"
        resources:
            mem_mb=growing(COMPUTE.shard_mem_mb),
            runtime=growing(60),
        params:
            maps_dir=folder_of("maps"),
            alpha=SETTINGS.evaluation.alpha,
            alphas=SETTINGS.evaluation.alphas.plain(),
            code=code("evaluate_cam", "ssenet_core.evaluation.stages"),
        message:
            f"Scoring the maps of {{wildcards.cam}} on {split}"
        script:
            "../workflow_scripts/evaluate_cam.py"


rule evaluate_equivariance:
    input:
        manifest=f"{D}/manifest/{GALLERY_SPLIT}.json",
        checkpoint=rules.train_cam.output.checkpoint,
    output:
        scores=f"{CAM}/evaluation/equivariance.json",
        figure=report(
            f"{CAM}/evaluation/equivariance.png",
            caption="captions/equivariance.rst",
            category="Equivariance",
            labels={"network": "{cam}"},
        ),
    log:
        f"{LOGS}/evaluate_equivariance/{{cam}}.log",
    benchmark:
        f"{TIMES}/evaluate_equivariance/{{cam}}.tsv"
    conda:
        "../envs/ssenet.yaml"
    resources:
        gpu=GPUS,
        mem_mb=growing(COMPUTE.shard_mem_mb),
        runtime=growing(60),
    params:
        settings=SETTINGS.evaluation.equivariance.plain(),
        code=code("evaluate_equivariance", "ssenet_core.evaluation.equivariance"),
    message:
        "Measuring the equivariance of {wildcards.cam}"
    script:
        "../workflow_scripts/evaluate_equivariance.py"


rule evaluate_crf:
    input:
        manifest=f"{D}/manifest/pseudo_eval.json",
        refined=records("refine_cam", "pseudo_eval"),
    output:
        scores=f"{CAM}/evaluation/pseudo_eval_crf.json",
    log:
        f"{LOGS}/evaluate_crf/{{cam}}/pseudo_eval.log",
    benchmark:
        f"{TIMES}/evaluate_crf/{{cam}}/pseudo_eval.tsv"
    conda:
        "../envs/ssenet.yaml"
    resources:
        mem_mb=growing(COMPUTE.shard_mem_mb),
        runtime=growing(60),
    params:
        refined_dir=folder_of("refined"),
        code=code("evaluate_crf", "ssenet_core.evaluation.stages"),
    message:
        "Scoring the refined maps of {wildcards.cam} on pseudo_eval"
    script:
        "../workflow_scripts/evaluate_crf.py"


rule evaluate_pseudo_labels:
    input:
        manifest=f"{D}/manifest/pseudo_eval.json",
        labels=records("random_walk", "pseudo_eval"),
    output:
        scores=f"{AFFINITY}/evaluation/pseudo_eval.json",
    log:
        f"{LOGS}/evaluate_pseudo_labels/{{cam}}/{{affinity}}/pseudo_eval.log",
    benchmark:
        f"{TIMES}/evaluate_pseudo_labels/{{cam}}/{{affinity}}/pseudo_eval.tsv"
    conda:
        "../envs/ssenet.yaml"
    resources:
        mem_mb=growing(COMPUTE.shard_mem_mb),
        runtime=growing(60),
    params:
        labels_dir=folder_of("labels"),
        code=code("evaluate_pseudo_labels", "ssenet_core.evaluation.stages"),
    message:
        "Scoring the pseudo labels of {wildcards.cam}/{wildcards.affinity} on pseudo_eval"
    script:
        "../workflow_scripts/evaluate_pseudo_labels.py"


if "val" in SCORED:

    rule evaluate_predictions:
        input:
            manifest=f"{D}/manifest/val.json",
            predictions=records("predict", "val"),
        output:
            scores=f"{DEEPLAB}/evaluation/val.json",
        log:
            f"{LOGS}/evaluate_predictions/{{cam}}/{{affinity}}/{{deeplab}}/val.log",
        benchmark:
            f"{TIMES}/evaluate_predictions/{{cam}}/{{affinity}}/{{deeplab}}/val.tsv"
        conda:
            "../envs/ssenet.yaml"
        resources:
            mem_mb=growing(COMPUTE.shard_mem_mb),
            runtime=growing(60),
        params:
            labels_dir=folder_of("predictions"),
            code=code("evaluate_predictions", "ssenet_core.evaluation.stages"),
        message:
            "Scoring {wildcards.cam}/{wildcards.affinity}/{wildcards.deeplab} on val"
        script:
            "../workflow_scripts/evaluate_predictions.py"


rule evaluate_trivial:
    input:
        manifest=f"{D}/manifest/{{split}}.json",
    output:
        scores=f"{D}/trivial/{{split}}.json",
    log:
        f"{LOGS}/evaluate_trivial/{{split}}.log",
    benchmark:
        f"{TIMES}/evaluate_trivial/{{split}}.tsv"
    conda:
        "../envs/ssenet.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        ellipse=SETTINGS.evaluation.ellipse,
        code=code("evaluate_trivial", "ssenet_core.evaluation.stages"),
    message:
        "Scoring the trivial answers on {wildcards.split}"
    script:
        "../workflow_scripts/evaluate_trivial.py"
