"""Figures as Matplotlib's objects, with no global one, and as PNG, SVG, or SVG inside a page."""

import functools
import io
import re
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ferjax.report.palette import LIGHT

# Text stays text (small, selectable, in the page's font), and the ids inside do not change from run to run.
_SVG_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "ferjax"}
_LONGEST = 28  # letters of a name


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, drawn in `palette.LIGHT`."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=LIGHT["surface"])
    FigureCanvasAgg(figure)
    return figure


def quiet(axes: Axes, title: str, x: str, grid: str = "y", lines: int = 1) -> None:
    """Leaves of the frame what helps to read: a title at the left, one thin line, a grid along one axis.

    Below the title is room for so many lines of `legend_above`.
    """
    style = {"fontsize": 11, "fontweight": "bold", "color": LIGHT["ink"], "parse_math": False}
    axes.set_title(title, loc="left", pad=10 + 14 * lines, **style)
    axes.set_xlabel(x, fontsize=9, color=LIGHT["muted"])
    axes.tick_params(colors=LIGHT["muted"], labelsize=9, length=0, pad=5)
    axes.grid(axis=grid, color=LIGHT["line"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(LIGHT["line"])


def legend_above(axes: Axes, columns: int = 3) -> None:
    """A legend between title and picture, where it covers nothing."""
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderpad": 0, "borderaxespad": 0.6}
    spacing = {"ncols": columns, "columnspacing": 1.2, "handlelength": 1.4, "handletextpad": 0.5}
    legend = axes.legend(frameon=False, fontsize=8.5, labelcolor=LIGHT["ink"], **place, **spacing)
    for text in legend.get_texts():
        text.set_parse_math(False)


def short(names: Sequence[str]) -> list[str]:
    """Names that a picture has room for; the tables have them whole."""
    return [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in names]


def png(figure: Figure) -> bytes:
    """The figure as PNG at 200 dots per inch, on a white ground."""
    return _rendered(figure, "png", dpi=200)


def svg(figure: Figure) -> bytes:
    """The figure as a standalone SVG file, on a white ground; the same figure gives the same bytes."""
    ground = f'<rect width="100%" height="100%" style="fill: {LIGHT["surface"]}"/>'
    return re.sub(r"(<svg[^>]*>)", rf"\g<1>{ground}", _svg_text(figure), count=1).encode()


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an `<svg>` element for an HTML page.

    Its colours are CSS variables (see `ferjax.report.palette`), its ground is transparent, it fills
    its container's width, and it refers to nothing outside itself.

    Args:
        figure: a figure drawn in `palette.LIGHT`.
        name: prefix of the ids inside, unique in the page.
        description: what a screen reader says; escaped by the caller.
    """
    text = _svg_text(figure)
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    view_box = re.search(r'viewBox="[^"]*"', text)[0]
    text = re.sub(r"^<svg[^>]*>", f'<svg {view_box} role="img" aria-label="{description}">', text)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    roles = {colour: f"var(--{role})" for role, colour in LIGHT.items()}
    return re.sub(r"(fill|stroke): (#[0-9a-f]{6})", lambda m: f"{m[1]}: {roles.get(m[2], m[2])}", text)


# A page shows a figure and also writes it to a file.
@functools.lru_cache(maxsize=16)
def _svg_text(figure: Figure) -> str:
    return _rendered(figure, "svg", transparent=True, metadata={"Date": None}).decode()


def _rendered(figure: Figure, kind: str, **options) -> bytes:
    if figure.get_layout_engine() is not None:
        # Once: Matplotlib would do it again for every file, and draw twice for it.
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine(None)
    buffer = io.BytesIO()
    with mpl.rc_context(_SVG_STYLE):
        figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()
