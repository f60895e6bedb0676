"""Which label files a training run reads, told by their sizes and dates."""

import hashlib
from pathlib import Path

from ssenet_core.data.manifest import Manifest
from ssenet_core.errors import SSENetError


def labels_key(manifest: Manifest, folder: Path, suffix: str) -> str:
    """A digest of the label files' sizes and dates, for the resume key.

    Raises:
        SSENetError: label files are missing; it names them.
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
        raise SSENetError(f"{len(missing)} label files are missing: {', '.join(missing)}")
    return digest.hexdigest()
