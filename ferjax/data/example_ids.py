"""Returns the id of every stored example, where it came from, and keeps them beside the set."""

import numpy as np

from ferjax.data.array_files import read_arrays, write_arrays
from ferjax.data.records import CHUNK, Records


def example_ids(records: Records) -> list[str]:
    """Returns the `id` of every example as text: read from the records, or from the file of the last time.

    Returns:
        N texts, such as the path of the image's file; none at all if the set stores no `id`, as the toons.

    Raises:
        UserError: a shard is damaged.
    """
    if parts := records.parts():
        return [name for part in parts for name in example_ids(part)]
    if not len(records) or "id" not in records.read([0])[0]:
        return []
    path = records.folder / f"{records.split}.ids.npz"
    kept = read_arrays(path)
    if kept is not None and str(kept.get("digest", "")) == records.index.digest:
        ids = kept.get("ids")
        if ids is not None and ids.shape == (len(records),) and ids.dtype.kind == "U":
            return ids.tolist()
    names: list[str] = []
    for start in range(0, len(records), CHUNK):
        read = records.read(range(start, min(start + CHUNK, len(records))))
        names += [record.get("id", b"").decode() for record in read]
    write_arrays(path, digest=np.array(records.index.digest), ids=np.array(names, str))
    return names
