"""Measures how much of a map's heat lies on each region of its image, and where its hottest pixel lies.

A share of heat means little alone: half of the heat on half of the image is chance. So it is divided by the
region's share of the area; this density is 1 for a map that knows nothing. The pointing game (Zhang et al.,
Top-down neural attention by excitation backprop, ECCV 2016) only checks where the hottest pixel lies, here
without a margin, because every pixel belongs to a region.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from ferjax.explain.face_regions import FACE, REGIONS

_FACE_PARTS = [REGIONS.index(name) for name in FACE]
_BACKGROUND = REGIONS.index("background")


def shares(
    heat: Float[np.ndarray, "N H W"] | Bool[np.ndarray, "N H W"], regions: UInt8[np.ndarray, "N H W"]
) -> Float[np.ndarray, "N R"]:
    """Computes the share of each map's heat that lies on each region.

    Args:
        heat: float `[N, H, W]`; negative values speak against the class and count as 0.
        regions: uint8 `[N, H, W]`, numbers of `REGIONS`.

    Returns:
        float64 `[N, R]`, rows add up to 1; a row of NaN for a map without any heat.
    """
    positive = np.maximum(np.asarray(heat, np.float64), 0)
    totals = np.stack([(positive * (regions == region)).sum((1, 2)) for region in range(len(REGIONS))], 1)
    whole = totals.sum(1, keepdims=True)
    return np.divide(totals, whole, out=np.full_like(totals, np.nan), where=whole > 0)


def areas(regions: UInt8[np.ndarray, "N H W"]) -> Float[np.ndarray, "N R"]:
    """Computes the share of each image that each region covers: float64 `[N, R]`, rows add up to 1."""
    return np.stack([(regions == region).mean((1, 2)) for region in range(len(REGIONS))], 1)


def pointing(
    heat: Float[np.ndarray, "N H W"], regions: UInt8[np.ndarray, "N H W"]
) -> Float[np.ndarray, "N R"]:
    """Finds the region of the hottest pixel.

    Args:
        heat: float `[N, H, W]`.
        regions: uint8 `[N, H, W]`, numbers of `REGIONS`.

    Returns:
        float64 `[N, R]`: 1 at that region and 0 elsewhere; if several pixels are equally hot, each counts for
        its share. A row of NaN for a map without any heat.
    """
    heat = np.asarray(heat)
    hottest = heat.max((1, 2), keepdims=True)
    return shares((heat == hottest) & (hottest > 0), regions)


def scores(
    heat: Float[np.ndarray, "N H W"],
    regions: UInt8[np.ndarray, "N H W"],
    classes: Int[np.ndarray, " N"],
    names: tuple[str, ...],
) -> list[dict[str, Any]]:
    """Computes the scores of each class, and their mean in which every class weighs the same.

    Args:
        heat: float `[N, H, W]`.
        regions: uint8 `[N, H, W]`, numbers of `REGIONS`.
        classes: int `[N]`, the class that each map explains.
        names: the K classes.

    Returns:
        A row for each class that has an image, then the row "mean of classes". Each holds `name`, `images`,
        `blank` (maps without any heat, left out of the rest), and region → number for `share` of the heat,
        `area`, `density` = share / area and `pointing`; `face` has the same four for brows, eyes, nose and
        mouth together; `contrast` is their density divided by the background's, `hotter` is true if that is
        above 1, and `above` is the share of the images where it is. Undefined numbers are NaN.
    """
    heated, covered, pointed = shares(heat, regions), areas(regions), pointing(heat, regions)
    blank = np.isnan(heated[:, 0])
    rows = [
        _row(name, blank[mine], heated[mine], covered[mine], pointed[mine])
        for label, name in enumerate(names)
        if (mine := np.asarray(classes) == label).any()
    ]
    known = [row for row in rows if row["blank"] < row["images"]]
    if not known:
        return [*rows, {**rows[0], "name": "mean of classes", "images": len(heat), "blank": len(heat)}]
    means = {
        kind: np.mean([list(row[kind].values()) for row in known], axis=0)
        for kind in ("share", "area", "pointing")
    }
    total = {"name": "mean of classes", "images": len(heat), "blank": int(blank.sum())}
    above = float(np.mean([row["above"] for row in known]))
    return [*rows, {**total, **_figures(means["share"], means["area"], means["pointing"]), "above": above}]


def _row(
    name: str, blank: np.ndarray, heated: np.ndarray, covered: np.ndarray, pointed: np.ndarray
) -> dict[str, Any]:
    """Computes the scores of one class."""
    head = {"name": name, "images": len(blank), "blank": int(blank.sum())}
    if blank.all():
        nothing = np.full(len(REGIONS), np.nan)
        return {**head, **_figures(nothing, covered.mean(0), nothing), "above": np.nan}
    heated, covered, pointed = heated[~blank], covered[~blank], pointed[~blank]
    face, background = heated[:, _FACE_PARTS].sum(1), heated[:, _BACKGROUND]
    # Compares products, because an image may show no background to divide by.
    above = face * covered[:, _BACKGROUND] > background * covered[:, _FACE_PARTS].sum(1)
    figures = _figures(heated.mean(0), covered.mean(0), pointed.mean(0))
    return {**head, **figures, "above": float(above.mean())}


def _figures(heated: np.ndarray, covered: np.ndarray, pointed: np.ndarray) -> dict[str, Any]:
    """Names the numbers of each region, float64 `[R]`; derives density, contrast and those of the face."""
    density = _ratio(heated, covered)
    kinds = {"share": heated, "area": covered, "density": density, "pointing": pointed}
    face = {kind: float(values[_FACE_PARTS].sum()) for kind, values in kinds.items() if kind != "density"}
    face["density"] = float(_ratio(face["share"], face["area"]))
    return {
        **{kind: dict(zip(REGIONS, map(float, values), strict=True)) for kind, values in kinds.items()},
        "face": face,
        "contrast": float(_ratio(face["density"], density[_BACKGROUND])),
        # Compares products, because the contrast is infinite if the background has no heat.
        "hotter": bool(face["share"] * covered[_BACKGROUND] > heated[_BACKGROUND] * face["area"]),
    }


def _ratio(first: np.ndarray | float, second: np.ndarray | float) -> np.ndarray:
    """Divides; NaN if both are 0, infinite if only the second is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.divide(first, second))
