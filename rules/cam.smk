"""Class activation maps: the network, its maps of every image, and their dense CRF."""


rule train_cam:
    input:
        manifest=f"{D}/manifest/train.json",
        weights=first_weights("cam"),
    output:
        checkpoint=f"{CAM}/model.pt",
        metrics=f"{CAM}/metrics.csv",
    log:
        f"{LOGS}/train_cam/{{cam}}.log",
    benchmark:
        f"{TIMES}/train_cam/{{cam}}.tsv"
    conda:
        "../envs/ssenet.yaml"
    threads: COMPUTE.training_threads
    resources:
        gpu=TRAIN_GPUS,
        mem_mb=growing(COMPUTE.train_mem_mb * COMPUTE.train_gpus),
        runtime=1440,
    params:
        settings=training("cam"),
        code=code("train_cam", "ssenet_core.cam.training"),
        workers=data_workers,
        devices=training_devices,
        save_every=save_every("cam"),
    message:
        "Training CAM network {wildcards.cam}"
    script:
        "../workflow_scripts/train_cam.py"


for split in ("train", "val"):
    for shard, ids in SHARDS.get(split, {}).items():

        rule:
            name:
                shard_rule("infer_cam", split, shard)
            input:
                manifest=shard_manifest(split, shard),
                checkpoint=rules.train_cam.output.checkpoint,
            output:
                record=f"{CAM}/maps/{split}.shards/{shard}.json",
                files=per_image(f"{CAM}/maps/{split}", ids, ".h5"),
            log:
                f"{LOGS}/infer_cam/{{cam}}/{split}/{shard}.log",
            benchmark:
                f"{TIMES}/infer_cam/{{cam}}/{split}/{shard}.tsv"
            conda:
                "../envs/ssenet.yaml"
            threads: INFERENCE_THREADS
            resources:
                gpu=GPUS,
                mem_mb=growing(INFERENCE_MEM_MB),
                runtime=growing(240),
            params:
                shard=shard,
                settings=part("cam", "inference"),
                workers=beside_gpu,
                code=code("infer_cam", "ssenet_core.cam.inference"),
            message:
                f"Maps of {{wildcards.cam}}, {split}, shard {shard}"
            script:
                "../workflow_scripts/infer_cam.py"


for shard, ids in SHARDS["train"].items():

    rule:
        name:
            shard_rule("refine_cam", "train", shard)
        input:
            manifest=shard_manifest("train", shard),
            maps=shard_record("infer_cam", "train", shard),
        output:
            record=f"{CAM}/affinity_labels/train.shards/{shard}.json",
            files=per_image(f"{CAM}/affinity_labels/train", ids, ".h5"),
        log:
            f"{LOGS}/refine_cam/{{cam}}/train/{shard}.log",
        benchmark:
            f"{TIMES}/refine_cam/{{cam}}/train/{shard}.tsv"
        conda:
            "../envs/ssenet.yaml"
        resources:
            mem_mb=growing(COMPUTE.shard_mem_mb),
            runtime=growing(240),
        params:
            shard=shard,
            maps_dir=folder_of("maps"),
            settings=SETTINGS.refine.plain(),
            code=code("refine_cam", "ssenet_core.refine"),
        message:
            f"Dense CRF of {{wildcards.cam}}, train, shard {shard}"
        script:
            "../workflow_scripts/refine_cam.py"
