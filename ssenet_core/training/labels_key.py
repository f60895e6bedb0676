"""Which label files a training run reads, told by their sizes and dates."""

import hashlib
from pathlib import Path

from ssenet_core.data.manifest import Manifest
from ssenet_core.errors import SSENetError

NAMED = 10  # of the files that are missing, in the error


def labels_key(manifest: Manifest, folder: Path, suffix: str) -> str:
    """A digest of the label files' sizes and dates, for the resume key.

    Raises:
        SSENetError: label files are missing; it names the first of them.
    """
    digest = hashlib.sha256()
    missing = []
    for image in manifest.images:
        path = folder / f"{image.id}{suffix}"
        try:
            stat = path.stat()
        except FileNotFoundError:
            missing.append(str(path))
            continue
        digest.update(f"{image.id} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    if missing:
        named = ", ".join(missing[:NAMED]) + (", ..." if len(missing) > NAMED else "")
        raise SSENetError(f"{len(missing)} label files are missing: {named}")
    return digest.hexdigest()
