"""Exported bundles: folders and .zips, careless and hostile."""

import functools
import hashlib
import io
import json
import zipfile
from pathlib import Path
from random import Random

from networks import trained_network

from ferjax.inference import bundle
from fuzz import mutations, seeds
from fuzz.case import Case


@functools.cache
def _written() -> dict[str, bytes]:
    return seeds.kept(lambda folder: bundle.write(trained_network(), "# Card\n", folder / "bundle"))


def make(rng: Random, folder: Path) -> Case:
    """One bundle; often its manifest fits what was changed."""
    files = {name.removeprefix("bundle/"): content for name, content in _written().items()}
    chosen = rng.choice(sorted(files))
    if chosen.endswith(".json") and rng.random() < 0.8:
        files[chosen] = json.dumps(mutations.changed_json(rng, json.loads(files[chosen]))).encode()
    else:
        files[chosen] = mutations.damaged(rng, files[chosen])
    if chosen != bundle.MANIFEST and rng.random() < 0.8:
        manifest = json.loads(files[bundle.MANIFEST])
        manifest["files"][chosen] = {
            "bytes": len(files[chosen]),
            "sha256": hashlib.sha256(files[chosen]).hexdigest(),
        }
        files[bundle.MANIFEST] = json.dumps(manifest).encode()
    user, about = folder / "user", [chosen]
    if rng.random() < 0.3:
        path = user / "bundle.zip"
        user.mkdir()
        path.write_bytes(_zipped(rng, files))
    else:
        path = seeds.lay(files, user / "bundle")
        if rng.random() < 0.3:
            about.append(mutations.disturb(rng, path))

    def run():
        bundle.is_bundle(path)
        read = bundle.read(path)
        assert len(read.label_names) > 1
        bundle.read_card(path)

    return Case(run, user, about=f"{about} {files[chosen][:300]!r}")


def _zipped(rng: Random, files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            kind = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
            archive.writestr(name, content, kind)
    return mutations.damaged(rng, buffer.getvalue()) if rng.random() < 0.6 else buffer.getvalue()
