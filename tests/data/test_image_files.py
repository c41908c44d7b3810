"""One reader of pictures: what prepare stores is what predict sees, and special files are told."""

import ast
import io
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ferjax
from ferjax.data import pictures as reader
from ferjax.data.builders.image_files import read_image
from ferjax.data.builders.reconciled import unread
from ferjax.data.images import BadImage, decode
from ferjax.inference import pictures

SIZE = (20, 14)


def colours(mode="RGB"):
    levels = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    return Image.fromarray(levels).convert(mode)


def transparent():
    image = colours("RGBA")
    image.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, SIZE[0]).astype(np.uint8), (SIZE[1], 1))))
    return image


def transparent_palette():
    image = colours().quantize(16)
    image.info["transparency"] = 3
    return image


def lying():
    image = colours()
    exif = Image.Exif()
    exif[0x0112] = 6
    image.info["exif"] = exif.tobytes()
    return image


def sixteen():
    return Image.fromarray(np.linspace(0, 65535, 280).astype(np.uint16).reshape(14, 20))


KINDS = {
    "transparent.png": (transparent, {}),
    "transparent.webp": (transparent, {"lossless": True}),
    "grey with alpha.png": (lambda: transparent().convert("LA"), {}),
    "palette.png": (transparent_palette, {"transparency": 3}),
    "one colour is transparent.png": (colours, {"transparency": (9, 9, 9)}),
    "16 bits.png": (sixteen, {}),
    "16 bits.tiff": (sixteen, {}),
    "floats.tiff": (lambda: Image.fromarray(np.linspace(0, 1, 280, dtype=np.float32).reshape(14, 20)), {}),
    "cmyk.tif": (lambda: colours("CMYK"), {}),
    "grey.pgm": (lambda: colours("L"), {}),
    "film.gif": (lambda: colours("P"), {"save_all": True, "append_images": [colours("P").rotate(180)]}),
    "lying.png": (lying, {"exif": lying().info["exif"]}),
    "two colours.bmp": (lambda: colours("1"), {}),
    "web.jfif": (colours, {"format": "JPEG"}),
    "plain.png": (colours, {}),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", KINDS)
def test_what_is_stored_is_what_a_prediction_reads(tmp_path, name, channels):
    make, options = KINDS[name]
    path = tmp_path / name
    make().save(path, **options)
    seen = pictures.read(path)
    stored = decode(read_image(path, side=None, channels=channels).encoded, channels=channels)
    wanted = Image.fromarray(seen).convert("L" if channels == 1 else "RGB")
    tolerance = 12 if name == "web.jfif" else 1  # colours that become grey are JPEG again
    np.testing.assert_allclose(stored.squeeze().astype(int), np.asarray(wanted).astype(int), atol=tolerance)


def test_a_plain_file_is_stored_byte_for_byte(tmp_path):
    for name in ("a.png", "a.jpg"):
        colours().save(tmp_path / name)
        assert read_image(tmp_path / name, side=None, channels=3).encoded == (tmp_path / name).read_bytes()


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99)


@pytest.mark.parametrize(
    ("content", "stored_why", "seen_why"),
    [
        (POSTSCRIPT, "cannot identify image file", "no picture of a known format"),
        (b"", "cannot identify image file", "no picture of a known format"),
        (HEIC, "a HEIC photograph: save it as JPEG or PNG", "a HEIC photograph.*save it as JPEG or PNG"),
    ],
    ids=["PostScript", "nothing", "HEIC"],
)
@pytest.mark.parametrize("suffix", ["png", "jpg", "heic"])
def test_what_is_no_picture_starts_no_program(tmp_path, monkeypatch, content, stored_why, seen_why, suffix):
    def never(*arguments, **options):
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen", never)
    monkeypatch.setattr("ferjax.data.pictures._heic", tuple)  # as without the package that reads HEIC
    path = tmp_path / f"face.{suffix}"
    path.write_bytes(content)
    with pytest.raises(BadImage, match=stored_why):
        read_image(path, side=48, channels=3)
    with pytest.raises(BadImage, match=seen_why):
        pictures.read(path)
    with pytest.raises(BadImage):
        decode(content)


def test_every_format_is_named_where_pictures_are_opened():
    for path in Path(ferjax.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "Image.open":
                drawn_here = path.name in ("render.py", "answers.py")  # PNG that ferjax has just made
                assert drawn_here or "formats" in [word.arg for word in call.keywords], path


def special(path, kind):
    """Makes something that is no plain file; returns what is told of it."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link to nothing":
        path.symlink_to(path.parent / "nothing.png")
        return "no such file"
    else:
        other = path.with_name("other.png")
        path.symlink_to(other)
        other.symlink_to(path)
        return "no such file"
    return "is not a plain file"


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to nothing", "links in a circle"])
def test_special_files_are_told_and_not_waited_for(tmp_path, kind):
    path = tmp_path / "face.png"
    told = special(path, kind)
    with pytest.raises(BadImage, match=told):
        read_image(path, side=48, channels=3)
    with pytest.raises(BadImage, match=r"is not a plain file|cannot be read"):
        pictures.read(path)


def test_a_device_and_a_huge_file_are_not_read(tmp_path):
    assert stat.S_ISCHR(os.stat("/dev/zero").st_mode)
    with pytest.raises(BadImage, match="is not a plain file"):
        pictures.read("/dev/zero")
    huge = tmp_path / "face.png"
    with open(huge, "wb") as file:
        file.truncate(2**33)
    with pytest.raises(BadImage, match="has more than 256 MiB"):
        pictures.read(huge)


def test_a_box_belongs_to_the_image_as_it_lies_in_the_file(tmp_path):
    path = tmp_path / "lying.png"
    colours().save(path, exif=lying().info["exif"])
    stored = decode(read_image(path, side=4, channels=3, box=(2, 3, 6, 7)).encoded)
    np.testing.assert_array_equal(stored, np.asarray(colours())[3:7, 2:6])


def test_images_that_no_builder_lists_are_counted_by_reason(tmp_path):
    for name in (
        "a/x.png",
        "a/deep/y.png",
        "a/deep/z.JFIF",
        "loose.heic",
        "a/face",
        "a/logo.svg",
        "README.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a/.hidden.png").write_bytes(b"")
    assert unread(tmp_path, {tmp_path / "a/x.png"}) == [
        "2 images were left out, as they lie where none belong: 2 in a/deep/",
        "3 files were left out, as no image that is read has such a name: 1 of .heic, 1 of .svg, "
        "1 of no suffix",
    ]
    assert unread(tmp_path / "a/deep", {tmp_path / "a/deep/y.png", tmp_path / "a/deep/z.JFIF"}) == []


def test_a_buffer_is_decoded_within_its_limit():
    buffer = io.BytesIO()
    colours().save(buffer, "PNG")
    picture = reader.open_picture(buffer, "RGB", 280)
    assert (picture.size, picture.kind, picture.untouched) == (SIZE, "PNG", True)
    with pytest.raises(reader.TooLarge, match="20×14 pixels"):
        reader.open_picture(buffer, "RGB", 279)
