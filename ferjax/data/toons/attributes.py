"""What the generator knows of a toon's person and picture, as groups that scores can be looked at by."""

import math

import numpy as np

from ferjax.data.toons.conditions import Light
from ferjax.data.toons.table import ToonStyle

# The artists' palettes.
SKINS = {
    "#ffdbb4": "pale",
    "#edb98a": "pale",
    "#d08b5b": "brown",
    "#ae5d29": "brown",
    "#614335": "dark",
    "#694d3d": "dark",
    "#f8d25c": "yellow",
    "#fd9841": "yellow",
}
COVERED = ("hat", "hijab", "turban", "winterHat")
BALD = ("noHair", "shaved")
LONG = (
    "bob", "bun", "curly", "curvy", "dreads", "frida", "fro", "froBand", "straight02",
    "afro", "bangs", "buns", "bun2", "dreads2", "grayBun", "grayMedium", "long", "longCurly", "medium1",
    "medium2", "medium3", "mediumBangs2", "twists", "twists2",
)  # fmt: skip
_TILTED = 1 / 3  # of a style's largest turn
_EVEN = 1 / 3  # of a style's largest change of brightness


def attributes(
    style: ToonStyle, person: dict[str, str | None], skin: str, pose: np.ndarray, light: Light
) -> dict[str, str]:
    """Describes a picture.

    Args:
        style: of the picture.
        person: part → the artist's variant, or None.
        skin: colour, `#rrggbb`.
        pose: float32 [2, 3], canonical pixels → image pixels.
        light: how the picture is taken.

    Returns:
        `skin` (pale, brown, dark, yellow), `hair` (covered, long, none, short), `glasses` and `beard` (no,
        yes), `pose` (upright, tilted) and `light` (dark, bright, usual).
    """
    most = style.conditions
    # The vector down the face; it is the same for a mirror image.
    turn = math.degrees(math.atan2(-float(pose[0, 1]), float(pose[1, 1])))
    shift = float(light.brightness)
    return {
        "skin": SKINS[skin],
        "hair": _hair(person.get("top") or person.get("head") or ""),
        "glasses": "yes" if person.get("accessories") else "no",
        "beard": "yes" if person.get("facialHair") else "no",
        "pose": "tilted" if abs(turn) > _TILTED * most.rotation else "upright",
        "light": "usual" if abs(shift) <= _EVEN * most.brightness else "bright" if shift > 0 else "dark",
    }


def _hair(variant: str) -> str:
    if variant.startswith(COVERED):
        return "covered"
    if variant.startswith(BALD) and variant != "shavedSides":
        return "none"
    return "long" if variant in LONG else "short"
