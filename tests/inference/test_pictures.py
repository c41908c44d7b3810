"""Pictures of every kind that people have, and of every kind of damage."""

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ferjax.data.images import BadImage
from ferjax.inference import pictures

ORIENTATION = 0x0112
# What brings a picture stored under an EXIF orientation back upright, in NumPy's words.
UPRIGHT = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: np.rot90,
}


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_pictures_are_turned_as_their_exif_says(picture, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = encoded(Image.fromarray(picture), exif=exif)
    np.testing.assert_array_equal(pictures.decode(content), UPRIGHT[orientation](picture))


def test_what_is_transparent_is_white(picture):
    alpha = np.full((6, 9, 1), 255, np.uint8)
    alpha[0], alpha[1] = 0, 51
    found = pictures.decode(encoded(Image.fromarray(np.concatenate([picture, alpha], -1))))
    assert (found[0] == 255).all()
    np.testing.assert_allclose(found[1], 0.2 * picture[1] + 0.8 * 255, atol=1)
    np.testing.assert_array_equal(found[2:], picture[2:])


def test_a_transparent_colour_of_a_palette_is_white():
    image = Image.new("P", (4, 2), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putpixel((0, 0), 0)
    found = pictures.decode(encoded(image, transparency=0))
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[1, 1].tolist() == [10, 20, 30]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "RGBX"])
def test_all_colour_models_become_rgb(picture, mode):
    image = Image.fromarray(picture).convert(mode)
    kind = "TIFF" if mode in ("CMYK", "YCbCr", "RGBX") else "PNG"
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_allclose(pictures.decode(encoded(image, kind)), expected, atol=2)


def test_sixteen_bits_become_eight():
    levels = np.array([[0, 128, 129, 32768, 65278, 65535]], np.uint16)
    found = pictures.decode(encoded(Image.fromarray(levels)))
    np.testing.assert_array_equal(found[0, :, 0], np.rint(levels[0] / 257))
    np.testing.assert_array_equal(found[:, :, 0], found[:, :, 2])


def test_floats_are_white_at_one():
    levels = np.array([[0, 0.5, 1, 3, -1, np.nan]], np.float32)
    assert pictures.decode(encoded(Image.fromarray(levels), "TIFF"))[0, :, 1].tolist() == [
        0,
        128,
        255,
        255,
        0,
        0,
    ]


def test_an_animation_is_its_first_picture():
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue")]
    found = pictures.decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert found[0, 0].tolist() == [255, 0, 0]


def claiming(width, height):
    """A PNG of a few bytes that says it is that large."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize("size", [(9000, 9000), (30_000, 30_000), (2_000_000, 2_000_000)])
def test_a_huge_picture_is_refused_before_it_is_decoded(size):
    with pytest.raises(BadImage, match="the limit is 64 million pixels"):
        pictures.decode(claiming(*size))


def test_a_limit_of_ones_own(picture):
    assert pictures.decode(encoded(Image.fromarray(picture)), most_pixels=54).shape == (6, 9, 3)
    with pytest.raises(BadImage, match=r"has 9×6 pixels; the limit is 5\.3e-05 million"):
        pictures.decode(encoded(Image.fromarray(picture)), most_pixels=53)


def test_a_jpeg_of_endless_scans_is_refused(picture):
    content = encoded(Image.fromarray(picture), "JPEG", progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    pictures.decode(content[:-2] + scan * 20 + content[-2:])
    with pytest.raises(BadImage, match=r"is a JPEG of 20,\d\d\d scans, and a picture has at most 64"):
        pictures.decode(content[:-2] + scan * 20_000 + content[-2:])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_truncated_picture_is_told(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    content = encoded(Image.fromarray(noise), kind)
    with pytest.raises(BadImage, match=r"is damaged|no picture"):
        pictures.decode(content[: len(content) // 2])


@pytest.mark.parametrize(
    "content", [b"", b"this is text", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg></svg>"]
)
def test_what_is_no_picture_is_told(content, tmp_path):
    path = tmp_path / "face.png"
    path.write_bytes(content)
    with pytest.raises(BadImage, match="no picture of a known format"):
        pictures.read(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BadImage, match="cannot be read: No such file"):
        pictures.read(tmp_path / "face.png")


# 64 by 64 pixels, the left half green, the right one red.
HEIC = zlib.decompress(
    base64.b85decode(
        b"c-muNV30{GsVvAy%}izhg51nBLl8SRGck>UfiWyMwIq=N0u(b+a*CjAhJwuG5(YG&l$nzcHpIn&fe{FSfUycf1A#gaD`#frrGa@MQBf"
        b"c#l?lqrC`&d3G5HEIOLE~#u4NV!6#(h&nFY!DK)M2`%$boHBs2l6NbUo}pT9qTFfi~lCjfOwI56@s{{IhBzzkBs3_^0dm>d#;lG;v;jA"
        b"$|o6dGBlz4Fvtm&YW<!vPXH0U|gYl7Q;jT^J7*ZBTLmS|gmCpHq~VoKpc5=4D`O01Am@78j&K{pJA00tJ~BnIHjX4i2Dc4C0vuxv<~^h"
        b"6qa|6Eh2tsh^vY2ns!A4aW5mKlvubi`CcvvzY(C$ENfD7x^E%Z+!h%wBMyr|KC5s1^}HcQ^f"
    )
)


def test_heic_is_read_with_its_package():
    pytest.importorskip("pi_heif")
    found = pictures.decode(HEIC)
    assert found.shape == (64, 64, 3)
    assert (found[:, 8:24].argmax(-1) == 1).all()
    assert (found[:, 40:56].argmax(-1) == 0).all()
    with pytest.raises(BadImage, match="is a damaged HEIC photograph"):
        pictures.decode(HEIC[:-100])


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1"])
def test_heic_without_its_package_names_the_way_out(monkeypatch, tmp_path, brand):
    monkeypatch.setattr("ferjax.data.pictures._heic", tuple)
    (tmp_path / "a.jpg").write_bytes(HEIC[:8] + brand + HEIC[12:])
    message = r"is a HEIC photograph: pip install 'ferjax\[heic\]', or save it as JPEG"
    with pytest.raises(BadImage, match=message):
        pictures.read(tmp_path / "a.jpg")


def test_avif_is_no_heic(picture):
    content = encoded(Image.fromarray(picture), "AVIF", quality=100)
    assert pictures.decode(content).shape == (6, 9, 3)
