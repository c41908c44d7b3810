"""Makes Matplotlib figures, without its global state, and turns them into PNG, SVG, or SVG inside a page."""

import functools
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ferjax.report.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

# Text stays text (small, selectable, in the page's font), and the ids inside do not change from run to run.
_SVG_STYLE: dict["RcKeyType", Any] = {"svg.fonttype": "none", "svg.hashsalt": "ferjax"}
_LONGEST = 28  # letters of a name


def new_figure(width: float, height: float) -> Figure:
    """Makes an empty figure of so many inches, drawn in `palette.LIGHT`."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=LIGHT["surface"])
    FigureCanvasAgg(figure)
    return figure


def set_column_space(figure: Figure, share: float) -> None:
    """Sets the space between the figure's columns of axes, as a share of an axes' width."""
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(wspace=share)


def quiet(axes: Axes, title: str, x: str, grid: Literal["x", "y"] = "y", lines: int = 1) -> None:
    """Keeps little of the frame: a title at the left, one thin line, a grid along one axis.

    Args:
        axes: the axes to style.
        title: above, at the left.
        x: the name of the horizontal axis.
        grid: the axis whose values get grid lines.
        lines: lines of `legend_above` to leave room for below the title.
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
    """Puts the legend between title and picture, where it covers nothing."""
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderpad": 0, "borderaxespad": 0.6}
    spacing = {"ncols": columns, "columnspacing": 1.2, "handlelength": 1.4, "handletextpad": 0.5}
    legend = axes.legend(frameon=False, fontsize=8.5, labelcolor=LIGHT["ink"], **place, **spacing)
    for text in legend.get_texts():
        text.set_parse_math(False)


def short(names: Sequence[str]) -> list[str]:
    """Shortens names to what a picture has room for; the tables have them whole."""
    return [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in names]


def png(figure: Figure) -> bytes:
    """Renders the figure as PNG at 200 dots per inch, on a white ground."""
    return _rendered(figure, "png", dpi=200)


def svg(figure: Figure) -> bytes:
    """Renders the figure as an SVG file on a white ground; the same figure gives the same bytes."""
    ground = f'<rect width="100%" height="100%" style="fill: {LIGHT["surface"]}"/>'
    return re.sub(r"(<svg[^>]*>)", rf"\g<1>{ground}", _svg_text(figure), count=1).encode()


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """Renders the figure as an `<svg>` element for an HTML page.

    Its colours are CSS variables (see `ferjax.report.palette`), its ground is transparent, it fills
    its container's width, and it refers to nothing outside itself.

    Args:
        figure: a figure drawn in `palette.LIGHT`.
        name: prefix of the ids inside, unique in the page.
        description: the text for screen readers; escaped by the caller.
    """
    text = _svg_text(figure)
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    view_box = re.search(r'viewBox="[^"]*"', text)
    assert view_box is not None  # Matplotlib always writes one
    text = re.sub(r"^<svg[^>]*>", f'<svg {view_box[0]} role="img" aria-label="{description}">', text)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    roles = {colour: f"var(--{role})" for role, colour in LIGHT.items()}
    return re.sub(r"(fill|stroke): (#[0-9a-f]{6})", lambda m: f"{m[1]}: {roles.get(m[2], m[2])}", text)


# Cached, because a page shows a figure and also writes it to a file.
@functools.lru_cache(maxsize=16)
def _svg_text(figure: Figure) -> str:
    return _rendered(figure, "svg", transparent=True, metadata={"Date": None}).decode()


def _rendered(figure: Figure, kind: str, **options) -> bytes:
    engine = figure.get_layout_engine()
    if engine is not None:
        # Once: Matplotlib would repeat it for every file, and draw twice for it.
        engine.execute(figure)
        figure.set_layout_engine(None)
    buffer = io.BytesIO()
    with mpl.rc_context(_SVG_STYLE):
        figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()
