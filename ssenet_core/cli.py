"""The command `ssenet`: what users run beside the workflow. The only module that prints."""

import argparse
import contextlib
import io
import os
import re
import socket
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ssenet_core.errors import SSENetError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status, 1 after an error that the user can fix."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a console cannot show is no reason to stop
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    try:
        options.action(options)
        sys.stdout.flush()
    except SSENetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, e.g. `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


# Each action imports what it needs: libraries that it does not use would delay it.


def _results(options: argparse.Namespace) -> None:
    from ssenet_core.report.results import results_lines

    for line in results_lines(options.results):
        print(line)


def _convert(options: argparse.Namespace) -> None:
    from ssenet_core.models.mxnet import convert_resnet38

    convert_resnet38(options.params, options.safetensors)
    print(options.safetensors)


def _predict(options: argparse.Namespace) -> None:
    from ssenet_core.predict import find_photographs, segment_photographs, skipped_files
    from ssenet_core.segmenter import DENSE_CRF, Segmenter

    photographs = find_photographs(options.photographs)
    for line in skipped_files(options.photographs):
        print(f"note: {line}", file=sys.stderr)
    crf = DENSE_CRF if options.crf else None
    segmenter = Segmenter.load(options.model, scales=options.scales, flip=options.flip, crf=crf)
    print(segment_photographs(segmenter, photographs, options.out, overlays=options.overlay))


def _export(options: argparse.Namespace) -> None:
    from ssenet_core.export import export_model

    export_model(options.model, options.out, size=options.size)
    print(options.out)


def _download(options: argparse.Namespace) -> None:
    from ssenet_core.data.download import download
    from ssenet_core.settings import read_configuration

    socket.setdefaulttimeout(60)  # seconds of silence; the libraries that download set none
    new = download(read_configuration(options.recipes))
    print("\n".join(map(str, new)) or "nothing is missing")


def _init(options: argparse.Namespace) -> None:
    from ssenet_core.init.write import Request, write_configuration

    wanted = {name: getattr(options, name) for name in Request.__dataclass_fields__}
    request = Request(**wanted)
    for line in write_configuration(request):
        print(line)
    if options.run:
        from ssenet_core.run import run_workflow

        run_workflow(request.file, [])


def _run(options: argparse.Namespace) -> None:
    from ssenet_core.run import run_workflow

    run_workflow(options.configuration, options.arguments)


def _show(options: argparse.Namespace) -> None:
    from ssenet_core.report.gallery import show_image

    print(show_image(options.image, options.results, options.out))


def _doubts(options: argparse.Namespace) -> None:
    from ssenet_core.doubts import write_doubts

    for path in write_doubts(options.results, options.out or options.results / "doubts"):
        print(path)


def _labels(options: argparse.Namespace) -> None:
    from ssenet_core.labelling import export_labels

    wanted = {name: getattr(options, name) for name in ("form", "source", "out", "split", "chain")}
    print(export_labels(options.results, **wanted))


def _share_or_list(text: str) -> float | Path:
    with contextlib.suppress(ValueError):
        share = float(text)
        if 0 < share < 1:
            return share
        raise argparse.ArgumentTypeError(
            f"expected a share between 0 and 1, 0.2 for a fifth, found {text!r}"
        )
    if re.fullmatch(r"[0-9.]+ ?%", text):
        raise argparse.ArgumentTypeError(f"expected a share, 0.2 for a fifth, found {text!r}")
    return Path(text)


def _scales(text: str) -> tuple[float, ...]:
    from ssenet_core.settings.sections import LARGEST_SCALE

    with contextlib.suppress(ValueError):
        scales = tuple(map(float, text.split(",")))
        if all(0 < scale <= LARGEST_SCALE for scale in scales):
            return scales
    raise argparse.ArgumentTypeError(
        f"expected positive numbers up to {LARGEST_SCALE}, as 0.5,1,1.5, found {text!r}"
    )


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch("([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected height and width, as 96x128, found {text!r}")
    return int(found[1]), int(found[2])


class _Version(argparse.Action):
    """Prints the installed package's version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"{parser.prog} {version('ssenet-core')}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ssenet", description="What goes with the SSENet workflow."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_init(commands.add_parser("init", help="write a configuration for photographs of your own"))
    run = commands.add_parser(
        "run",
        help="run the workflow on a configuration, from any folder",
        description="Calls Snakemake, and prints the call. Results go beside the configuration.",
    )
    run.add_argument("configuration", type=Path, metavar="FILE.yaml", help="as `init` writes it")
    run.add_argument(
        "arguments",
        nargs=argparse.REMAINDER,
        metavar="...",
        help="options of Snakemake and targets; default: --cores all",
    )
    run.set_defaults(action=_run)
    download = commands.add_parser(
        "download", help="bring the public data and weights that a configuration needs"
    )
    download.add_argument(
        "recipes",
        nargs="*",
        type=Path,
        metavar="RECIPE",
        help="configurations laid over config.yaml, as recipes/voc2012.yaml",
    )
    download.set_defaults(action=_download)
    _add_show(
        commands.add_parser("show", help="draw all that a run has made of one image as a picture")
    )
    results = commands.add_parser("results", help="print the results table of a run")
    results.add_argument(
        "results", type=Path, metavar="RESULTS", help="results/DATASET, or a results.json"
    )
    results.set_defaults(action=_results)
    doubts = commands.add_parser(
        "doubts",
        help="write the tags that are likely wrong or missing, and the doubtful labels, as CSV",
    )
    doubts.add_argument("results", type=Path, metavar="RESULTS", help="results/DATASET")
    doubts.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default: doubts/ in the results"
    )
    doubts.set_defaults(action=_doubts)
    _add_labels(
        commands.add_parser(
            "labels",
            help="write a run's labels for CVAT, LabelMe and other tools",
            description="Pseudo labels or predictions at the photographs' own sizes.",
        )
    )
    convert = commands.add_parser(
        "convert", help="turn ResNet-38's published MXNet weights into .safetensors"
    )
    convert.add_argument(
        "params", type=Path, metavar="PARAMS", help="ilsvrc-cls_rna-a1_cls1000_ep-0001.params"
    )
    convert.add_argument("safetensors", type=Path, metavar="SAFETENSORS", help="file to write")
    convert.set_defaults(action=_convert)
    _add_predict(commands.add_parser("predict", help="segment photographs with a trained DeepLab"))
    _add_export(
        commands.add_parser("export", help="turn a trained DeepLab into ONNX or TorchScript")
    )
    return parser


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the photographs")
    parser.add_argument(
        "tags",
        nargs="?",
        type=Path,
        metavar="TAGS",
        help="table image,tags (an empty cell: none of the classes), COCO's JSON, or a folder of "
        "VOC's XML; default: the names of the photographs' subfolders",
    )
    parser.add_argument("--name", help="of the folder in results/; default: the folder's")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.yaml", help="default: NAME.yaml beside the folder"
    )
    parser.add_argument(
        "--masks", type=Path, metavar="FOLDER", help="masks named as the photographs, to be scored"
    )
    parser.add_argument(
        "--classes",
        type=Path,
        metavar="FILE",
        help="class names, one a line, in the order of the masks' label values; default: a to z",
    )
    parser.add_argument(
        "--val",
        type=_share_or_list,
        metavar="LIST_OR_SHARE",
        help="photographs to validate with: a file with one name a line, or a share, as 0.2",
    )
    parser.add_argument(
        "--weights",
        default="imagenet",
        metavar="FILE",
        help="initial weights: a file, none (random ones), or imagenet, the default",
    )
    parser.add_argument(
        "--backbone",
        metavar="NAME",
        help="default: efficientnet_lite0, whose ImageNet weights are installed; others: resnet50, "
        "efficientnet_lite2, convnext_tiny, timm:NAME, ...",
    )
    parser.add_argument(
        "--working-size",
        type=int,
        default=500,
        metavar="PIXELS",
        help="longest edge to which photographs are shrunk; default: 500",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a first look: lower accuracy in a fraction of the time",
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that are there")
    parser.add_argument("--run", action="store_true", help="run the workflow at once")
    parser.set_defaults(action=_init)


def _add_labels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, metavar="RESULTS", help="results/DATASET")
    parser.add_argument(
        "--format",
        dest="form",
        required=True,
        choices=["coco", "voc", "labelme", "yolo"],
        help="voc: as CVAT imports it as Segmentation mask 1.1",
    )
    parser.add_argument("--source", required=True, choices=["pseudo_labels", "predictions"])
    parser.add_argument(
        "--split",
        choices=["train", "val", "test"],
        help="default: train for pseudo labels, val (if there is one) for predictions",
    )
    parser.add_argument(
        "--chain",
        metavar="CAM/AFFINITY[/DEEPLAB]",
        help="variants that made them; default: the only ones",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="folder to write, new or empty"
    )
    parser.set_defaults(action=_labels)


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE_ID", help="the photograph's name without suffix")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="default: results/NAME if there is only one"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE.png", help="default: report/images/ in the results"
    )
    parser.set_defaults(action=_show)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "photographs",
        nargs="+",
        type=Path,
        metavar="PHOTO_OR_FOLDER",
        help="photographs, and folders of them",
    )
    _add_model_and_out(parser, "FOLDER", "folder for masks/, overlays/ and areas.json")
    parser.add_argument(
        "--scales",
        type=_scales,
        metavar="S,S,...",
        help="factors of the photograph's size; default: those of 0.75,1,1.25,1.5 that the network "
        "was trained at, or three that it was",
    )
    parser.add_argument(
        "--no-flip", dest="flip", action="store_false", help="no mirrored views: twice as fast"
    )
    parser.add_argument(
        "--no-crf", dest="crf", action="store_false", help="no dense CRF along the image's edges"
    )
    parser.add_argument(
        "--overlay", action="store_true", help="write the photographs under the labels' colours too"
    )
    parser.set_defaults(action=_predict)


def _add_export(parser: argparse.ArgumentParser) -> None:
    _add_model_and_out(parser, "FILE", "file to write, .onnx or .torchscript.pt")
    parser.add_argument(
        "--size",
        type=_size,
        metavar="HxW",
        help="height and width of the images, for TorchScript alone, which needs them",
    )
    parser.set_defaults(action=_export)


def _add_model_and_out(parser: argparse.ArgumentParser, out: str, what: str) -> None:
    parser.add_argument(
        "--model", type=Path, required=True, metavar="MODEL.pt", help="checkpoint of DeepLab"
    )
    parser.add_argument("--out", type=Path, required=True, metavar=out, help=what)


if __name__ == "__main__":
    raise SystemExit(main())
