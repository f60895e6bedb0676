"""AffinityNet, and the random walk that turns class activation maps into pseudo labels."""


rule train_affinity:
    input:
        *records("refine_cam", "train"),
        manifest="<results>/manifest/train.json",
        weights=initial_weights("affinity"),
        corrections=corrections("affinity"),
    output:
        checkpoint="<affinity>/model.pt",
        metrics="<affinity>/metrics.csv",
    log:
        "<logs>/train_affinity/{cam}/{affinity}.log",
    benchmark:
        "<benchmarks>/train_affinity/{cam}/{affinity}.tsv"
    conda:
        "../envs/ssenet.yaml"
    threads: settings.compute.training_threads
    resources:
        **TRAINING,
    params:
        **training_run("affinity"),
        settings=training("affinity"),
        labels_dir=folder_of(0),
        powers=settings.refine.powers,
        code=code("train_affinity", "ssenet_core.affinity.training"),
    message:
        "Training AffinityNet {wildcards.affinity} on {wildcards.cam}"
    script:
        "../workflow_scripts/train_affinity.py"


for shard, ids in plan.shards["train"].items():

    rule:
        name:
            shard_rule("random_walk", "train", shard)
        input:
            manifest=plan.manifest("train", shard),
            maps=shard_record("infer_cam", "train", shard),
            checkpoint=rules.train_affinity.output.checkpoint,
        output:
            record=f"<affinity>/pseudo_labels/train.shards/{shard}.json",
            files=per_image("<affinity>/pseudo_labels/train", ids, ".png"),
        log:
            f"<logs>/random_walk/{{cam}}/{{affinity}}/train/{shard}.log",
        benchmark:
            f"<benchmarks>/random_walk/{{cam}}/{{affinity}}/train/{shard}.tsv"
        conda:
            "../envs/ssenet.yaml"
        threads: INFERENCE_THREADS
        resources:
            **INFERENCE,
        params:
            shard=shard,
            maps_dir=folder_of("maps"),
            settings=part("affinity", "random_walk"),
            workers=beside_gpu,
            code=code("random_walk", "ssenet_core.affinity.inference"),
        message:
            f"Random walk of {{wildcards.cam}}/{{wildcards.affinity}}, train, shard {shard}"
        script:
            "../workflow_scripts/random_walk.py"
