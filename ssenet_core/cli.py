"""The command `ssenet`: what a person asks of finished results. The one module that prints."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ssenet_core.errors import SSENetError
from ssenet_core.report.results import results_lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status, 1 after an error that the user can mend."""
    options = _parser().parse_args(arguments)
    try:
        for line in results_lines(options.results):
            print(line)
        sys.stdout.flush()
    except SSENetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ssenet", description="Look at the results of the SSENet workflow."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    results = commands.add_parser("results", help="print the results table of a run")
    results.add_argument(
        "results", type=Path, metavar="RESULTS_JSON", help="results/DATASET/report/results.json"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
