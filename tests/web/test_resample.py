"""The page's JavaScript gives the same bytes as PIL and OpenCV; run by node, where there is one."""

import json
import math
import shutil
import subprocess
from importlib import resources

import numpy as np
import pytest
from PIL import Image

from ferjax.data.resize import resize

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="there is no node on this machine")
BILINEAR, BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC


class Case:
    """A picture, an expression in JavaScript of it (`image`), and the bytes that it must give."""

    def __init__(self, shape, expression, wanted):
        pixels = np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)
        self.pixels, self.expression = pixels, expression
        self.wanted = np.asarray(wanted(Image.fromarray(pixels[:, :, 0] if shape[2] == 1 else pixels)))


def turned(angle):
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = (cos, -sin, 20.3, sin, cos, 8.7)
    return Case(
        (60, 50, 3),
        f"Resample.affine(image, 40, 38, {json.dumps(matrix)})",
        lambda image: image.transform((40, 38), Image.Transform.AFFINE, matrix, BICUBIC),
    )


def resized(shape, width, height):
    return Case(
        shape,
        f"Resample.resize(image, {width}, {height})",
        lambda image: image.resize((width, height), BILINEAR),
    )


def shrunk(shape, width, height):
    return Case(
        shape,
        f"Resample.shrink(image, {width}, {height})",
        lambda image: image.resize((width, height), BILINEAR, reducing_gap=2),
    )


def opencv(shape):
    return Case(shape, "Resample.opencv(image, 48)", lambda image: resize(np.asarray(image), 48, "opencv"))


# Squares and whole pictures are resized alike along both sides. For others Pillow 13 takes the columns first
# where that is less work, which moves some pixels by one level; the page does not.
CASES = {
    "smaller": resized((100, 100, 3), 48, 48),
    "larger": resized((13, 13, 1), 48, 48),
    "wider": resized((20, 30, 3), 48, 20),
    "cubic": Case(
        (111, 111, 3),
        "Resample.resize(image, 320, 320, Resample.BICUBIC)",
        lambda image: image.resize((320, 320), BICUBIC),
    ),
    "blocks": shrunk((300, 400, 3), 64, 48),
    "blocks that are left over": shrunk((301, 403, 3), 64, 48),
    "no blocks": shrunk((100, 120, 3), 96, 80),
    "turned a little": turned(0.1),
    "turned far": turned(-1.5),
    "OpenCV, half": opencv((96, 96, 3)),
    "OpenCV, smaller": opencv((200, 111, 3)),
    "OpenCV, larger": opencv((20, 21, 3)),
    "luma": Case((33, 21, 3), "Resample.grey(image)", lambda image: image.convert("L")),
}


@pytest.fixture(scope="module")
def computed():
    """Name → the bytes that the page's script gives, all by one process."""
    script = (resources.files("ferjax.web") / "page" / "resample.js").read_text("utf-8")
    calls = []
    for name, case in CASES.items():
        height, width, channels = case.pixels.shape
        data = f"Uint8Array.from({case.pixels.ravel().tolist()})"
        image = f"{{width: {width}, height: {height}, channels: {channels}, data: {data}}}"
        calls.append(f"{json.dumps(name)}: ((image) => Array.from({case.expression}.data))({image})")
    program = f"{script}\nconsole.log(JSON.stringify({{{', '.join(calls)}}}));"
    ran = subprocess.run([NODE, "-"], input=program, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


@pytest.mark.parametrize("name", CASES)
def test_the_same_bytes(computed, name):
    wanted = CASES[name].wanted
    np.testing.assert_array_equal(np.uint8(computed[name]).reshape(wanted.shape), wanted)
