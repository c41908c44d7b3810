"""Draws toons: a declared face, a person and a pose become 64×64 pixels."""

import functools
import io
import json
from importlib.resources import files

import numpy as np
import resvg_py
from dicebear import Avatar, Style
from PIL import Image

from ferjax.data.seeded import Draws
from ferjax.data.toons.attributes import attributes
from ferjax.data.toons.conditions import draw_light, occlude, photograph
from ferjax.data.toons.plan import identity_of
from ferjax.data.toons.pose import IDENTITY, SIZE, draw_pose, part_boxes
from ferjax.data.toons.table import STYLES, ToonStyle


@functools.cache
def definition(style: str) -> Style:
    """Reads the artist's definition of a style, from the package `dicebear_styles`."""
    return Style(json.loads(files("dicebear_styles").joinpath(STYLES[style].file).read_text("utf-8")))


def draw_person(style: str, identity: int) -> dict[str, str | None]:
    """Draws a person's parts that show no emotion: hair, clothes, glasses, beard → variant, or None."""
    draws = Draws("toons", style, "person", identity)
    return {
        part: draws.pick(variants) if draws.chance(chance) else None
        for part, (chance, variants) in STYLES[style].identity.items()
    }


def draw_face(
    style: str,
    parts: dict[str, str | None],
    colours: str,
    pose: np.ndarray = IDENTITY,
    background: str = '<rect width="64" height="64" fill="#c8dce8"/>',
) -> np.ndarray:
    """Draws one face, without occlusion, light, blur or noise.

    Args:
        style: `avataaars` or `open_peeps`.
        parts: part → the artist's variant, such as `{"eyes": "wink"}`, or None for a part that is absent.
        colours: the seed of the colours of skin, hair and clothes, and of the parts that are not named.
        pose: float32 [2, 3], canonical pixels → image pixels.
        background: SVG that is drawn behind the face, in image pixels.

    Returns:
        uint8 [64, 64, 3].
    """
    options: dict[str, object] = {"seed": colours}
    for part, variant in parts.items():
        options[f"{part}Probability"] = 0 if variant is None else 100
        if variant is not None:
            options[f"{part}Variant"] = variant
    # The body follows dicebear's own header, whose canvas size and licence note mean nothing in our canvas.
    _, header_end, body = str(Avatar(definition(style), options)).partition("</metadata>")
    if not header_end:
        raise ValueError("dicebear no longer writes <metadata> at the head of an SVG")
    x, y, side = STYLES[style].crop
    matrix = " ".join(f"{value:.9g}" for value in np.asarray(pose, np.float64).T.ravel())
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}">{background}'
        f'<g fill="none" transform="matrix({matrix}) scale({SIZE / side:.9g}) translate({-x} {-y})">'
        f"{body.removesuffix('</svg>')}</g></svg>"
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE, skip_system_fonts=True)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def _colours(style: str, identity: int) -> str:
    """Returns the seed of a person's colours."""
    return f"toons/{style}/{identity}"


@functools.lru_cache(maxsize=64)  # images of one person come one after another
def skin_colour(style: str, identity: int) -> str:
    """Returns the colour of a person's skin as the artist's palette has it, `#rrggbb`."""
    avatar = Avatar(definition(style), {"seed": _colours(style, identity)})
    return avatar.to_json()["options"]["skinColor"][0]


def _background(draws: Draws, toon: ToonStyle) -> str:
    """Draws a plain background with a few plain shapes, as SVG."""
    colours = [
        "#" + "".join(f"{40 + draws.below(200):02x}" for _ in range(3))
        for _ in range(toon.conditions.clutter + 1)
    ]
    shapes = [f'<rect width="{SIZE}" height="{SIZE}" fill="{colours[0]}"/>']
    for colour in colours[1 : 1 + draws.below(toon.conditions.clutter + 1)]:
        x, y, radius = draws.below(SIZE), draws.below(SIZE), 6 + draws.below(18)
        shapes.append(f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{colour}"/>')
    return "".join(shapes)


def draw_example(
    style: str, split: str, index: int, label: str
) -> tuple[np.ndarray, np.ndarray, dict[str, str], dict[str, str]]:
    """Draws the image of a split that shows a class, the same on every machine.

    Args:
        style: `avataaars` or `open_peeps`.
        split: `train`, `validation` or `test`.
        index: the image's place in its split. Images that share `identity_of` show the same person.
        label: the class to show.

    Returns:
        The image, uint8 [64, 64, 3], its pose, float32 [2, 3], the artist's variant of every part, and the
        attributes of person and picture, see `ferjax.data.toons.attributes`.
    """
    toon = STYLES[style]
    draws = Draws("toons", style, split, index)
    recipe = draws.pick(toon.recipes[label])
    expression = {part: draws.pick(variants) for part, variants in recipe.items()}
    identity = identity_of(style, split, index)
    person = draw_person(style, identity)
    pose = draw_pose(draws, toon.conditions)
    background = _background(draws, toon)
    pixels = draw_face(style, expression | person, _colours(style, identity), pose, background)
    pixels = occlude(pixels, part_boxes(style, pose), draws, toon.conditions)
    parts = expression | {part: variant for part, variant in person.items() if variant}
    light = draw_light(draws, toon.conditions)
    about = attributes(toon, person, skin_colour(style, identity), pose, light)
    return photograph(pixels, light, draws), pose, parts, about
