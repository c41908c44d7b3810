"""The short way to decode JPEG gives PIL's bytes, and leaves to PIL what is not plain."""

import io

import numpy as np
import pytest
from PIL import Image

from ferjax.data.images import BadImage, decode
from ferjax.data.jpeg import count_scans, decode_jpeg

GENERATOR = np.random.default_rng(0)
SMOOTH = Image.fromarray(GENERATOR.integers(0, 256, (9, 11, 3), dtype=np.uint8)).resize((131, 97))


def jpeg(image=SMOOTH, **options):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def with_scans(encoded, count):
    """The same picture with its last scan repeated so often."""
    place = encoded.rindex(b"\xff\xda")
    return encoded[:-2] + encoded[place:-2] * count + encoded[-2:]


def test_scans_are_counted():
    thumbnail = jpeg(SMOOTH.resize((20, 20)), progressive=True)
    for one, count in (
        (jpeg(), 1),
        (jpeg(restart_marker_blocks=3), 1),
        (jpeg(SMOOTH.convert("L"), progressive=True), 6),
    ):
        assert count_scans(one) == count
        assert count_scans(one[:2] + b"\xff\xe1\x10\x00" + thumbnail[:100].ljust(0xFFE) + one[2:]) == count
        assert count_scans(one + thumbnail) == count  # what comes after the image is not its
        assert count_scans(with_scans(one, 20)) == count + 20
    assert [count_scans(other) for other in (b"", b"\xff\xd8", b"\xff\xd8\xff\xda", b"GIF89a\xff\xda")] == [
        0,
        0,
        1,
        0,
    ]


def pil(encoded, mode):
    with Image.open(io.BytesIO(encoded)) as image:
        array = np.asarray(image.convert(mode))
    return array[:, :, None] if array.ndim == 2 else array


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_bytes_are_pils(subsampling, quality, progressive, mode):
    options = {"subsampling": subsampling} if mode == "RGB" else {}
    encoded = jpeg(SMOOTH.convert(mode), quality=quality, progressive=progressive, **options)
    found = decode_jpeg(encoded, None)
    assert (found.dtype, found.flags.c_contiguous) == (np.uint8, True)
    np.testing.assert_array_equal(found, pil(encoded, mode))
    np.testing.assert_array_equal(decode_jpeg(encoded, found.shape[2]), found)


@pytest.mark.parametrize("filter", ["pil", "draft"])
@pytest.mark.parametrize("size", [None, 20, 97, 200])
@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_decoding_is_pils_whatever_is_asked(size, channels, mode, filter):
    encoded = jpeg(SMOOTH.convert(mode))
    wanted = {None: "L" if mode == "L" else "RGB", 1: "L", 3: "RGB"}[channels]
    with Image.open(io.BytesIO(encoded)) as image:
        if filter == "draft" and size:
            image.draft(None, (size, size))
        image = image.convert(wanted)
        expected = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR) if size else image)
    expected = expected[:, :, None] if expected.ndim == 2 else expected
    np.testing.assert_array_equal(decode(encoded, size, channels, filter), expected)


@pytest.mark.parametrize(
    ("least", "shape"), [(0, (97, 131)), (50, (97, 131)), (48, (49, 66)), (13, (25, 33)), (12, (13, 17))]
)
def test_a_large_image_is_decoded_no_larger_than_it_is_needed(least, shape):
    assert decode_jpeg(jpeg(), 3, least).shape == (*shape, 3)


def test_what_is_not_plain_is_left_to_pil(monkeypatch):
    colour, grey = jpeg(), jpeg(SMOOTH.convert("L"))
    buffer = io.BytesIO()
    SMOOTH.save(buffer, "PNG")
    for encoded, channels in (
        (buffer.getvalue(), 3), (colour, 1), (grey, 3), (jpeg(SMOOTH.convert("CMYK")), None),
        (colour[:-200], None), (colour[:30], None), (b"\xff\xd8", None), (b"", None),
    ):  # fmt: skip
        assert decode_jpeg(encoded, channels) is None
    for damaged in (colour[: len(colour) // 2], colour[:30], b"\xff\xd8", b""):
        with pytest.raises(BadImage, match="not a readable image"):
            decode(damaged)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert decode_jpeg(colour, 3) is None
    with pytest.raises(BadImage, match="exceeds limit"):
        decode(colour)
