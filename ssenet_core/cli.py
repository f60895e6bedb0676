"""The command `ssenet`: what a person asks for beside the workflow. The one module that prints."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ssenet_core.errors import SSENetError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status, 1 after an error that the user can mend."""
    options = _parser().parse_args(arguments)
    try:
        options.action(options)
        sys.stdout.flush()
    except SSENetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


# Each action imports what it needs, so that none waits for libraries that it does not use.


def _results(options: argparse.Namespace) -> None:
    from ssenet_core.report.results import results_lines

    for line in results_lines(options.results):
        print(line)


def _convert(options: argparse.Namespace) -> None:
    from ssenet_core.models.imagenet import convert_resnet38

    convert_resnet38(options.params, options.safetensors)
    print(options.safetensors)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ssenet", description="What goes with the SSENet workflow."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    results = commands.add_parser("results", help="print the results table of a run")
    results.add_argument(
        "results", type=Path, metavar="RESULTS_JSON", help="results/DATASET/report/results.json"
    )
    results.set_defaults(action=_results)
    convert = commands.add_parser(
        "convert", help="turn ResNet-38's published MXNet weights into .safetensors"
    )
    convert.add_argument(
        "params", type=Path, metavar="PARAMS", help="ilsvrc-cls_rna-a1_cls1000_ep-0001.params"
    )
    convert.add_argument("safetensors", type=Path, metavar="SAFETENSORS", help="file to write")
    convert.set_defaults(action=_convert)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
