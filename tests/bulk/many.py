"""Pictures in every kind of container, each of them known by its colour."""

import io
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def encoded(number):
    """A small PNG file of its own colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), (number, 255 - number, number // 2)).save(buffer, "PNG")
    return buffer.getvalue()


def write_folder(folder, count):
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:03}.png").write_bytes(encoded(number))
    return folder


def write_tar(path, members):
    """Name → content, or the name that a link leads to."""
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return path


def write_parquet(path, contents, column="image", struct=False, group=2):
    if struct:
        values = pa.array(
            [{"bytes": content, "path": "x.png"} for content in contents],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        )
    else:
        values = pa.array(contents, pa.binary())
    table = pa.table({"label": list(range(len(contents))), column: values})
    pq.write_table(table, path, row_group_size=group)
    return path
