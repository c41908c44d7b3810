"""Damages bytes, texts, JSON and trees of files; the same draws from the same random.Random."""

import contextlib
import copy
import os
import shutil
from pathlib import Path
from random import Random

TEXTS = (
    "", " ", "0", "-1", "1", "7", "NaN", "inf", "1e400", "9" * 40, "1" * 5000, "None", "none", "true", "é",
    "笑顔",
    "\u202e", "\x1b[31m", "\x00", "a\nb", "a\tb", "x" * 300, "x" * 70_000, "..", "../x", "/etc/passwd", "~",
    "~nobody-x/y",
    "gs://bucket/x", "C:\\faces\\0.png", "happy", "Happy ", "angry,happy", '"', '""', "'", ";", "train",
    "test",
    "valid", "Training", "os.system", "a.b:c", "${HOME}", "=1+1", "-", "()", "{", "[" * 3000, "images",
    "contempt",
)  # fmt: skip
NAMES = (
    "x", "train", "Test", "valid", "Validation", "happy", "Angry", "0", "7", ".hidden", "__x", "images",
    "labels",
    "é", "笑顔", " x ", "x" * 200, "a\nb", "a,b", "\x1b[31m", "\udcff", "-x", "none", "data.csv", "new.zip",
    "~",
    "happy.png", "*", "[a]", "$x", "Thumbs.db", "x.tar.gz",
)  # fmt: skip
SUFFIXES = (
    "", ".png", ".PNG", ".jpg", ".jpeg", ".jfif", ".jpe", ".avif", ".heic", ".gif", ".pgm", ".webp", ".tif",
    ".bmp",
    ".csv", ".txt", ".npy", ".eps", ".png.png", ".", ".zip", ".svg",
)  # fmt: skip
VALUES = (
    None, True, False, 0, -1, 1, 7, 2**31, 2**63, -(2**63), 10**30, 10**400, 0.5, 1e308, -1e308, float("nan"),
    float("inf"), "", "x", "1", [], {}, [1], [[]], {"x": 1}, ["a", "b"], {"": None}, (), "x" * 500,
    "\x1b[31m", "é",
)  # fmt: skip
HEADS = (
    b"", b"\0" * 64, b"<!DOCTYPE html><html>", b"version https://git-lfs.github.com/spec/v1\n", b"PK\3\4",
    b"PK\5\6" + b"\0" * 18,
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x93NUMPY\1\0",
    b"\x80\2.", b"\x80\4",
    b"\x1f\x8b\x08", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"{", b"[", b"\x89HDF\r\n\x1a\n",
    b"%PDF-1.7", b"BZh9", b"RIFF",
)  # fmt: skip


def damaged(rng: Random, content: bytes) -> bytes:
    """Returns other bytes: cut, flipped, doubled, overwritten."""
    size, kind = len(content), rng.randrange(9)
    place = rng.randrange(size + 1)
    end = min(size, place + rng.choice((1, 4, 16, 200)))
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[place:]
    if kind in (2, 3):
        changed = bytearray(content)
        for _ in range(rng.choice((1, 1, 2, 10, 100)) if size else 0):
            changed[rng.randrange(size)] ^= 1 << rng.randrange(8)
        return bytes(changed)
    if kind == 4:
        return content[:place] + rng.randbytes(rng.choice((1, 8, 64))) + content[place:]
    if kind == 5:
        return content[:place] + content[place:end] * rng.choice((2, 3, 50)) + content[end:]
    if kind == 6:
        return content[:place] + content[end:]
    if kind == 7:
        number = rng.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF, 2**63, 2**40))
        return content[:place] + (number & (2**64 - 1)).to_bytes(8, "little")[: end - place] + content[end:]
    return rng.choice(HEADS) + (content[place:] if rng.random() < 0.5 else b"")


def text(rng: Random) -> str:
    """Returns a text that nobody expects."""
    return rng.choice(TEXTS)


def value(rng: Random):
    """Returns a value of any type."""
    return copy.deepcopy(rng.choice(VALUES)) if rng.random() < 0.8 else text(rng)


def changed_json(rng: Random, content):
    """Returns a copy in which one to three places hold something else, are gone or are renamed."""
    content = copy.deepcopy(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(content))
        if not places or rng.random() < 0.02:
            content = value(rng)
            continue
        holder, key = rng.choice(places)
        kind = rng.randrange(7)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[text(rng)] = holder.pop(key)
        elif kind == 2 and isinstance(holder, dict):
            holder[text(rng)] = value(rng)
        elif kind == 3:
            holder[key] = [holder[key]] if rng.random() < 0.5 else {"x": holder[key]}
        elif kind == 4 and isinstance(holder[key], int | float):
            holder[key] = rng.choice((-holder[key], holder[key] * 10**6, str(holder[key]), holder[key] + 0.5))
        else:
            holder[key] = value(rng)
    return content


def _places(content):
    pairs = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, inner in pairs:
        yield content, key
        yield from _places(inner)


def changed_table(rng: Random, content: str) -> bytes:
    """Returns the bytes of a CSV file whose cells, lines, separators or encoding are others."""
    rows = [line.split(",") for line in content.splitlines()]
    done = rng.randrange(14)
    row = rng.choice(rows)
    if done in (0, 1, 2):
        row[rng.randrange(len(row))] = text(rng)
    elif done == 3:
        rows[0][rng.randrange(len(rows[0]))] = rng.choice(
            (text(rng), "label", "path", "Usage", "subject_id", "split", "set")
        )
    elif done == 4:
        for one in rows:
            one.insert(len(one) // 2, text(rng))
    elif done == 5:
        column = rng.randrange(min(map(len, rows)))
        for one in rows:
            del one[column]
    elif done == 6:
        rows = rows[1:]
    elif done == 7:
        rows = rows[: rng.randrange(len(rows) + 1)]
    elif done == 8:
        rows += rng.choices(rows, k=3)
    elif done == 9:
        row.extend([text(rng)] * rng.choice((1, 5)))
    elif done == 10:
        head, *others = rows
        rng.shuffle(others)
        rows = [head, *others]
    separator = rng.choice((",", ",", ",", ",", ";", "\t", ", "))
    ending = rng.choice(("\n", "\n", "\n", "\r\n", "\r", "\n\n"))
    encoding = rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32"))
    written = ending.join(separator.join(one) for one in rows) + (ending if rng.random() < 0.8 else "")
    encoded = written.encode(encoding, "replace")
    return damaged(rng, encoded) if done == 11 else encoded


def disturb(rng: Random, folder: Path) -> str:
    """Changes one thing in a folder of the user's; returns what."""
    paths = sorted(folder.rglob("*"))
    if not paths:
        (folder / "x").mkdir()
        return "made x/"
    path = rng.choice(paths)
    files = _files(folder)
    file = rng.choice(files) if files else path
    kind = rng.choice(_DISTURBANCES)
    target = path if kind in (_remove, _rename, _move, _link_to) else file
    with contextlib.suppress(FileExistsError, IsADirectoryError, NotADirectoryError, shutil.Error):
        kind(rng, target, folder)
    return f"{kind.__name__[1:]} {os.fsencode(target.relative_to(folder))!r}"


def is_own(path: Path) -> bool:
    """Tells whether a path is a plain file and no link: only such may be written, and no pipe waits."""
    return path.is_file() and not path.is_symlink()


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if is_own(path)]


def _remove(rng, path, folder):
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _rename(rng, path, folder):
    _move_to(path, path.with_name(rng.choice(NAMES)))


def _rename_suffix(rng, path, folder):
    _move_to(path, path.with_name(path.name.split(".")[0] + rng.choice(SUFFIXES)))


def _move(rng, path, folder):
    places = [
        folder,
        *(one for one in sorted(folder.rglob("*")) if one.is_dir() and not one.is_relative_to(path)),
    ]
    _move_to(path, rng.choice(places) / path.name)


def _deepen(rng, path, folder):
    place = path.with_name(rng.choice(NAMES))
    if not os.path.lexists(place):
        place.mkdir()
        _move_to(path, place / path.name)


def _wrap(rng, path, folder):
    entries = list(folder.iterdir())
    place = folder / rng.choice(NAMES)
    if not os.path.lexists(place):
        place.mkdir()
        for entry in entries:
            entry.rename(place / entry.name)


def _double(rng, path, folder):
    place = path.with_name(rng.choice(NAMES)[:50] + path.suffix)
    if not os.path.lexists(place):
        shutil.copy(path, place)


def _damage(rng, path, folder):
    if not is_own(path):
        return
    path.write_bytes(damaged(rng, path.read_bytes()))


def _edit(rng, path, folder):
    texts = [one for one in _files(folder) if one.suffix in (".csv", ".txt", ".lst")]
    path = rng.choice(texts) if texts else path
    if not is_own(path):
        return
    content = path.read_bytes().decode(errors="replace")
    if content.strip():
        path.write_bytes(changed_table(rng, content))


def _pipe(rng, path, folder):
    path.unlink()
    os.mkfifo(path)


def _folder(rng, path, folder):
    path.unlink()
    path.mkdir()


def _link_to_nothing(rng, path, folder):
    path.unlink()
    path.symlink_to("nothing")


def _link_to_itself(rng, path, folder):
    path.unlink()
    path.symlink_to(path.name)


def _link_to(rng, path, folder):
    place = path.with_name(rng.choice(NAMES)[:50])
    if not os.path.lexists(place):
        place.symlink_to(rng.choice(("..", ".", "/dev", "/dev/zero", path.name)))


def _link_out(rng, path, folder):
    path.unlink()
    path.symlink_to(rng.choice(("/proc/version", "/dev/zero", "/dev/null")))


def _move_to(path, target):
    if not os.path.lexists(target):
        path.rename(target)


_DISTURBANCES = (
    _remove, _rename, _rename, _rename_suffix, _rename_suffix, _move, _move, _deepen, _deepen, _wrap,
    _double, _damage,
    _damage, _edit, _edit, _edit, _pipe, _folder, _link_to_nothing, _link_to_itself, _link_to, _link_out,
)  # fmt: skip
