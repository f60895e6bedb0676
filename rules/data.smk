"""The dataset: the generated one, and a manifest a split that vouches for every file."""

if plan.dataset.source == "shapes":

    rule make_shapes:
        output:
            images=per_image(
                f"{plan.dataset.root}/JPEGImages", plan.ids["train"] + plan.ids["val"], ".jpg"
            ),
            masks=per_image(
                f"{plan.dataset.root}/SegmentationClass",
                plan.ids["train"] + plan.ids["val"],
                ".png",
            ),
            lists=[
                f"{plan.dataset.root}/ImageSets/Segmentation/{split}.txt"
                for split in ("train", "val")
            ],
        log:
            "<logs>/make_shapes.log",
        benchmark:
            f"<benchmarks>/make_shapes/{plan.dataset.name}.tsv"
        priority: 100
        conda:
            "../envs/ssenet.yaml"
        resources:
            **LIGHT,
        params:
            root=untracked(plan.dataset.root),
            settings=plan.dataset.shapes.plain(),
            code=code("make_shapes", "ssenet_core.data.shapes"),
        message:
            "Drawing the dataset shapes"
        script:
            "../workflow_scripts/make_shapes.py"


if plan.originals:
    for split, shards in plan.shards.items():
        for shard, ids in shards.items():

            rule:
                name:
                    shard_rule("prepare_images", split, shard)
                output:
                    record=f"<results>/prepared/{split}.shards/{shard}.json",
                    images=per_image(f"{plan.dataset.root}/{plan.dataset.image_dir}", ids, ".jpg"),
                    masks=per_image(
                        f"{plan.dataset.root}/{plan.dataset.mask_dir}",
                        dataset_files.masks_to_prepare(plan, split, ids),
                        ".png",
                    ),
                log:
                    f"<logs>/prepare_images/{split}/{shard}.log",
                priority: 100
                conda:
                    "../envs/ssenet.yaml"
                resources:
                    **LIGHT,
                params:
                    dataset=untracked(plan.source.plain()),
                    ids=ids,
                    files=dataset_files.originals_digest(plan, split, shard),
                    working_size=plan.source.working_size,
                    code=code("prepare_images", "ssenet_core.data.prepare"),
                message:
                    f"Preparing the {split} photographs of shard {shard}"
                script:
                    "../workflow_scripts/prepare_images.py"


# The images of a shard are checked by themselves, so that a new image costs one shard. Later stages
# take their shard's manifest: the split's would make all of them stale.
for split, shards in plan.shards.items():
    for shard, ids in shards.items():

        rule:
            name:
                shard_rule("check_images", split, shard)
            input:
                dataset_files.generated_files(plan, ids),
                prepared=prepared(split, shard),
            output:
                manifest=plan.manifest(split, shard),
            log:
                f"<logs>/check_images/{split}/{shard}.log",
            priority: 100
            conda:
                "../envs/ssenet.yaml"
            resources:
                **LIGHT,
            params:
                dataset=untracked(plan.dataset.plain()),
                ids=ids,
                settings=dataset_files.split_settings(plan, split),
                files=call_or_exit(dataset_files.images_digest, plan, split, ids),
                code=code("check_images", "ssenet_core.data.check"),
            message:
                f"Checking the {split} images of shard {shard}"
            script:
                "../workflow_scripts/check_images.py"


for split, shards in plan.shards.items():

    rule:
        name:
            f"manifest_{split}"
        input:
            parts=[plan.manifest(split, shard) for shard in shards],
            others=prepared_records() if split == "train" else [],
        output:
            manifest=f"<results>/manifest/{split}.json",
        log:
            f"<logs>/manifest/{split}.log",
        priority: 100
        localrule: True  # a queue would take longer than the job
        conda:
            "../envs/ssenet.yaml"
        resources:
            **LIGHT,
        params:
            dataset=untracked(plan.dataset.plain()),
            settings=dataset_files.split_settings(plan, split),
            ids=dataset_files.ids_digest(plan, split),
            code=code("manifest", "ssenet_core.data.check"),
        message:
            f"Writing the manifest of {split}"
        script:
            "../workflow_scripts/manifest.py"


if "pseudo_eval" in plan.ids:

    rule manifest_pseudo_eval:
        input:
            train="<results>/manifest/train.json",
        output:
            manifest="<results>/manifest/pseudo_eval.json",
        log:
            "<logs>/manifest/pseudo_eval.log",
        priority: 100
        localrule: True
        conda:
            "../envs/ssenet.yaml"
        resources:
            **LIGHT,
        params:
            dataset=untracked(plan.dataset.plain()),
            settings=dataset_files.split_settings(plan, "pseudo_eval"),
            files=call_or_exit(
                dataset_files.images_digest, plan, "pseudo_eval", plan.ids["pseudo_eval"]
            ),
            code=code("manifest_pseudo_eval", "ssenet_core.data.check"),
        message:
            "Writing the manifest of pseudo_eval"
        script:
            "../workflow_scripts/manifest_pseudo_eval.py"


# An early job, so that a fault is told before the trainings.
if dataset_files.corrections(plan):

    rule corrections:
        input:
            manifest="<results>/manifest/train.json",
        output:
            record=dataset_files.corrections_record(plan),
        log:
            "<logs>/corrections.log",
        priority: 100
        conda:
            "../envs/ssenet.yaml"
        resources:
            **LIGHT,
        params:
            source=untracked(str(dataset_files.corrections(plan))),
            files=call_or_exit(dataset_files.corrections_digest, plan),
            code=code("corrections", "ssenet_core.data.corrections"),
        message:
            "Gathering the corrected labels"
        script:
            "../workflow_scripts/corrections.py"
