import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from ferjax.report import class_plots, comparison_plots, confusion_plot, curve_plots, figures
from ferjax.report.palette import DARK, LIGHT

ROWS = [
    {
        "step": step,
        "split": split,
        "loss": None if step == 3 else 1 / step,
        "accuracy": step / 10,
        "learning_rate": 1e-5,
    }
    for step in range(1, 9)
    for split in ("train", "validation")
]
LONG = [
    {"step": step, "split": "train", "loss": None if 300 < step < 400 else 1 + step % 7}
    for step in range(900)
]
MATRIX = [[8, 2, 0], [1, 9, 0], [0, 0, 0]]


FIGURES = {
    "curve": curve_plots.curve(ROWS, "loss", 4),
    "small": curve_plots.curve(ROWS, "learning_rate", None),
    "long": curve_plots.curve(LONG, "loss", 4),
    "all": curve_plots.curves(ROWS, 4),
    "confusion": confusion_plot.confusion(MATRIX, ("a", "b & c", "a long name")),
}


@pytest.mark.parametrize(("name", "figure"), FIGURES.items())
def test_pictures_are_valid_and_inline_ones_have_only_the_pages_colours(name, figure):
    with Image.open(io.BytesIO(figures.png(figure))) as picture:
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert ET.fromstring(figures.svg(figure)).tag.endswith("svg")
    inline = figures.inline_svg(figure, name, "what it shows")
    assert not re.findall(r"(?:fill|stroke): #", inline)
    assert 'aria-label="what it shows"' in inline
    assert "<metadata" not in inline
    assert "http" not in inline


def test_cells_show_shares_and_counts_and_survive_empty_classes():
    text = figures.svg(confusion_plot.confusion(MATRIX, ("a", "b", "c"))).decode()
    shown = re.findall(r"<text[^>]*>([^<]*)</text>", text)
    assert {"80%", "20%", "90%", "0%", "8", "9"} <= set(shown)


@pytest.mark.parametrize("classes", [26, 200, 1000])
def test_pictures_of_many_classes_stay_small(classes):
    names = [f"class {place}" for place in range(classes)]
    rows = [{"name": name, "precision": 0.5, "recall": 0.5, "f1": 0.5} for name in names]
    for figure in (
        confusion_plot.confusion(np.eye(classes), names),
        comparison_plots.recall_grid(["one", "two"], np.ones((2, classes)), names),
        class_plots.class_bars(rows),
    ):
        (axes,) = figure.axes
        assert max(figure.get_size_inches()) < 25
        assert len(axes.texts) == 0
        assert len(axes.get_xticks()) <= 25
    matrix = confusion_plot.confusion(np.eye(classes), names).axes[0]
    assert len(matrix.patches) == 0
    shown = matrix.images[0].get_array()
    assert shown.shape == (classes, classes, 4)
    assert shown[0, 0, 3] == 255
    assert shown[0, 1, 3] == 15


def test_a_picture_of_many_classes_is_part_of_its_page():
    inline = figures.inline_svg(confusion_plot.confusion(np.eye(26), ["a"] * 26), "many", "many classes")
    assert inline.count("<image") == 1
    assert "data:image/png;base64," in inline
    assert "http" not in inline


def test_a_long_curve_is_a_mean_with_its_range():
    (axes,) = curve_plots.curve(LONG, "loss", None).axes
    (line,) = axes.get_lines()
    assert len(line.get_xdata()) == 200
    assert np.nanmean(line.get_ydata()) == pytest.approx(4, abs=0.1)
    assert np.isnan(line.get_ydata()).any()
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == 7


def test_only_the_curves_that_exist_are_named():
    assert curve_plots.curve_names(ROWS) == ["loss", "accuracy", "learning_rate"]
    assert curve_plots.curve_names([{"step": 1, "split": "validation", "accuracy": 0.5}]) == ["accuracy"]
    assert curve_plots.curve_names([{"step": 1, "split": "test", "accuracy": 0.5}]) == []


def test_drawing_leaves_pyplot_alone():
    code = (
        "import sys; from ferjax.report import figures; from ferjax.report.confusion_plot import confusion;"
        "figures.png(confusion([[1]], ['a']));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def luminance(colour):
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_text_has_contrast(palette):
    """WCAG 2 asks 4.5 for text and 3 for lines."""
    for ground in ("page", "surface", "accent-soft", "warn-soft", "cell"):
        assert contrast(palette["ink"], palette[ground]) >= 4.5
    for ground in ("page", "surface", "accent-soft"):
        assert contrast(palette["muted"], palette[ground]) >= 4.5
        assert contrast(palette["accent"], palette[ground]) >= 4.5
    for line in ("train", "accent", "best"):
        assert contrast(palette[line], palette["surface"]) >= 3


def test_the_palettes_fit_together():
    assert LIGHT.keys() == DARK.keys()
    assert len(set(LIGHT.values())) == len(LIGHT)


def test_names_that_are_too_long_are_cut():
    assert figures.short(["happy", "x" * 28, "y" * 60]) == ["happy", "x" * 28, "y" * 27 + "…"]
