"""Public data and weights: fetched on the machine that Snakemake runs on, never inside a job.

`snakemake --configfile recipes/voc2012.yaml --cores 1 download` fetches what a configuration needs
and is not here. What broke off goes on from there; what is here is checked and left alone.
"""


localrules:
    download,
    download_voc2012,
    make_segmentation_class_aug,
    list_train_aug,
    download_weights,
    convert_weights,


rule download:
    input:
        to_be_fetched,
    message:
        "Everything that was to be fetched is here"


rule download_voc2012:
    output:
        record=VOC_RECORD,
    log:
        f"{LOGS}/download_voc2012.log",
    priority: 100
    conda:
        "../envs/ssenet.yaml"
    params:
        root=voc_root,
        archive=f"{ARCHIVES}/VOCtrainval_11-May-2012.tar",
        source=source_of("voc2012"),
    message:
        f"Fetching PASCAL VOC 2012 (2 GB) into {VOC}"
    script:
        "../workflow_scripts/download_voc2012.py"


rule make_segmentation_class_aug:
    input:
        voc=VOC_RECORD,
    output:
        record=AUG_RECORD,
    log:
        f"{LOGS}/make_segmentation_class_aug.log",
    priority: 100
    conda:
        "../envs/ssenet.yaml"
    params:
        root=voc_root,
        archive=f"{ARCHIVES}/benchmark.tgz",
        source=source_of("sbd"),
    message:
        f"Fetching the masks of the Semantic Boundaries Dataset (1.4 GB) into {AUG}"
    script:
        "../workflow_scripts/make_segmentation_class_aug.py"


rule list_train_aug:
    input:
        masks=ancient(AUG_RECORD),
    output:
        list=TRAIN_AUG,
    log:
        f"{LOGS}/list_train_aug.log",
    priority: 100
    conda:
        "../envs/ssenet.yaml"
    params:
        root=voc_root,
    message:
        "Listing the images that train: those with a mask, less VOC's val"
    script:
        "../workflow_scripts/list_train_aug.py"


if ABSENT:

    rule download_weights:
        output:
            weights=f"{WEIGHTS}/{{file}}",
        log:
            f"{LOGS}/download_weights/{{file}}.log",
        wildcard_constraints:
            file="|".join(map(re.escape, ABSENT)),
        conda:
            "../envs/ssenet.yaml"
        params:
            source=weights_source,
        message:
            "Fetching the weights {wildcards.file}"
        script:
            "../workflow_scripts/download_weights.py"


if not os.path.exists(RESNET38):

    rule convert_weights:
        input:
            params=f"{WEIGHTS}/{RESNET38_PARAMS}",
        output:
            weights=RESNET38,
        log:
            f"{LOGS}/convert_weights.log",
        conda:
            "../envs/ssenet.yaml"
        message:
            "Converting the weights of ResNet-38"
        script:
            "../workflow_scripts/convert_weights.py"
