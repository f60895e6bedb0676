"""AffinityNet, and the random walk that turns class activation maps into pseudo labels."""


rule train_affinity:
    input:
        manifest=f"{D}/manifest/train.json",
        labels=records("refine_cam", "train"),
        weights=first_weights("affinity"),
    output:
        checkpoint=f"{AFFINITY}/model.pt",
        metrics=f"{AFFINITY}/metrics.csv",
    log:
        f"{LOGS}/train_affinity/{{cam}}/{{affinity}}.log",
    benchmark:
        f"{TIMES}/train_affinity/{{cam}}/{{affinity}}.tsv"
    conda:
        "../envs/ssenet.yaml"
    threads: COMPUTE.training_threads
    resources:
        gpu=TRAIN_GPUS,
        mem_mb=growing(COMPUTE.train_mem_mb * COMPUTE.train_gpus),
        runtime=1440,
    params:
        settings=training("affinity"),
        labels_dir=folder_of("labels"),
        powers=SETTINGS.refine.powers,
        code=code("train_affinity", "ssenet_core.affinity.training"),
        workers=data_workers,
        devices=training_devices,
        save_every=save_every("affinity"),
    message:
        "Training AffinityNet {wildcards.affinity} on {wildcards.cam}"
    script:
        "../workflow_scripts/train_affinity.py"


for shard, ids in SHARDS["train"].items():

    rule:
        name:
            shard_rule("random_walk", "train", shard)
        input:
            manifest=shard_manifest("train", shard),
            maps=shard_record("infer_cam", "train", shard),
            checkpoint=rules.train_affinity.output.checkpoint,
        output:
            record=f"{AFFINITY}/pseudo_labels/train.shards/{shard}.json",
            files=per_image(f"{AFFINITY}/pseudo_labels/train", ids, ".png"),
        log:
            f"{LOGS}/random_walk/{{cam}}/{{affinity}}/train/{shard}.log",
        benchmark:
            f"{TIMES}/random_walk/{{cam}}/{{affinity}}/train/{shard}.tsv"
        conda:
            "../envs/ssenet.yaml"
        threads: INFERENCE_THREADS
        resources:
            gpu=GPUS,
            mem_mb=growing(INFERENCE_MEM_MB),
            runtime=growing(240),
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
