"""`ssenet run`: Snakemake on the workflow that belongs to this package, from any folder."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ssenet_core.errors import SSENetError

PACKAGE = Path(__file__).parent
INSTALLED = PACKAGE / "workflow"  # what a wheel holds beside the package's modules
WORKFLOW = INSTALLED if INSTALLED.is_dir() else PACKAGE.parent  # the folder of the Snakefile


def snakemake_arguments(configuration: Path, rest: Sequence[str]) -> list[str]:
    """Arguments of Snakemake that run this workflow on a configuration.

    Args:
        configuration: overlay of `config.yaml`; results go into the folder that it is in, or into
            the working directory for a recipe of the workflow's own.
        rest: further arguments, options of Snakemake's and targets.
    """
    file = Path(os.path.normpath(configuration.absolute()))
    folder = Path.cwd() if file.is_relative_to(WORKFLOW) else file.parent
    arguments = ["--snakefile", str(WORKFLOW / "Snakefile"), "--configfile", str(file)]
    if folder != Path.cwd():
        arguments += ["--directory", str(folder)]
    if not {"--cores", "-c", "--jobs", "-j"} & {argument.partition("=")[0] for argument in rest}:
        arguments += ["--cores", "all"]
    return [*arguments, *rest]


def run_workflow(configuration: Path, rest: Sequence[str]) -> None:
    """Print the call of Snakemake and become it; see `snakemake_arguments`.

    Raises:
        SSENetError: there is no such configuration.
    """
    if not configuration.is_file():
        what = "it is a folder" if configuration.is_dir() else "there is no such file"
        raise SSENetError(
            f"{configuration}: expected a configuration, but {what}; `ssenet init` writes one, and "
            "recipes/ has some"
        )
    arguments = snakemake_arguments(configuration, rest)
    print(shlex.join(["snakemake", *arguments]), flush=True)
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", *arguments])
