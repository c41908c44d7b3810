"""How much of a heat map's heat lies on each region of its image, and where its hottest pixel lies.

Shares of heat mean little alone: half of the heat on half of the image is no more than chance. They are set
against the region's share of the area; their ratio, the density, is 1 for a map that knows nothing. The
pointing game (Zhang et al., Top-down neural attention by excitation backprop, ECCV 2016) asks only where the
hottest pixel lies, here without a margin, for every pixel belongs to a region.
"""

from typing import Any

import numpy as np

from ferjax.explain.face_regions import FACE, REGIONS

_ON_FACE = [REGIONS.index(name) for name in FACE]
_BEHIND = REGIONS.index("background")


def shares(heat: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """The part of each map's heat that lies on each region.

    Args:
        heat: float `[N, H, W]`; what is negative speaks against the class and counts as none.
        regions: uint8 `[N, H, W]`, numbers of `REGIONS`.

    Returns:
        float64 `[N, R]`, rows add up to 1; a row of NaN for a map without any heat.
    """
    positive = np.maximum(np.asarray(heat, np.float64), 0)
    totals = np.stack([(positive * (regions == region)).sum((1, 2)) for region in range(len(REGIONS))], 1)
    whole = totals.sum(1, keepdims=True)
    return np.divide(totals, whole, out=np.full_like(totals, np.nan), where=whole > 0)


def areas(regions: np.ndarray) -> np.ndarray:
    """The part of each image that each region covers: float64 `[N, R]`, rows add up to 1."""
    return np.stack([(regions == region).mean((1, 2)) for region in range(len(REGIONS))], 1)


def pointing(heat: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """The region of the hottest pixel.

    Args:
        heat: float `[N, H, W]`.
        regions: uint8 `[N, H, W]`, numbers of `REGIONS`.

    Returns:
        float64 `[N, R]`: 1 at that region and 0 elsewhere; where several pixels are equally hot, each counts
        for its share. A row of NaN for a map without any heat.
    """
    heat = np.asarray(heat)
    hottest = heat.max((1, 2), keepdims=True)
    return shares((heat == hottest) & (hottest > 0), regions)


def scores(heat: np.ndarray, regions: np.ndarray, classes: np.ndarray, names: tuple[str, ...]) -> list[dict]:
    """The figures of each class, and of all together with every class weighing the same.

    Args:
        heat: float `[N, H, W]`.
        regions: uint8 `[N, H, W]`, numbers of `REGIONS`.
        classes: int `[N]`, the class that each map explains.
        names: the K classes.

    Returns:
        A row a class that has an image, then the row "mean of classes". Each holds `name`, `images`, `blank`
        (maps without any heat, left out of the rest), and region → number for `share` of the heat, `area`,
        `density` = share / area and `pointing`; `face` has the same four for brows, eyes, nose and mouth
        together; `contrast` is the density of these over the background's, `hotter` whether it is above 1,
        and `above` the part of the images where it is. Numbers that cannot be told are NaN.
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


def _row(name: str, blank: np.ndarray, heated: np.ndarray, covered: np.ndarray, pointed: np.ndarray) -> dict:
    head = {"name": name, "images": len(blank), "blank": int(blank.sum())}
    if blank.all():
        nothing = np.full(len(REGIONS), np.nan)
        return {**head, **_figures(nothing, covered.mean(0), nothing), "above": np.nan}
    heated, covered, pointed = heated[~blank], covered[~blank], pointed[~blank]
    face, behind = heated[:, _ON_FACE].sum(1), heated[:, _BEHIND]
    # Not divided, for an image may show no background.
    above = face * covered[:, _BEHIND] > behind * covered[:, _ON_FACE].sum(1)
    figures = _figures(heated.mean(0), covered.mean(0), pointed.mean(0))
    return {**head, **figures, "above": float(above.mean())}


def _figures(heated: np.ndarray, covered: np.ndarray, pointed: np.ndarray) -> dict[str, Any]:
    """Names for numbers of each region, float64 `[R]`, and what follows from them."""
    density = _ratio(heated, covered)
    kinds = {"share": heated, "area": covered, "density": density, "pointing": pointed}
    face = {kind: float(values[_ON_FACE].sum()) for kind, values in kinds.items() if kind != "density"}
    face["density"] = float(_ratio(face["share"], face["area"]))
    return {
        **{kind: dict(zip(REGIONS, map(float, values), strict=True)) for kind, values in kinds.items()},
        "face": face,
        "contrast": float(_ratio(face["density"], density[_BEHIND])),
        # Not by the contrast, which is infinite where there is no heat on the background.
        "hotter": bool(face["share"] * covered[_BEHIND] > heated[_BEHIND] * face["area"]),
    }


def _ratio(first: np.ndarray | float, second: np.ndarray | float) -> np.ndarray:
    """First / second; NaN where both are 0, infinite where only the second is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(first, second)
