"""The colours of pages and pictures, by role, in light and in dark.

Pictures are drawn in `LIGHT`. Inside a page every colour becomes the CSS variable of its role, so the
same picture follows the reader's light or dark setting. The colours of a palette must therefore differ.
"""

LIGHT = {
    "page": "#f6f5f2",
    "surface": "#ffffff",
    "line": "#e3e1db",
    "ink": "#1d1f24",
    "muted": "#62656d",
    "accent": "#2b59c3",
    "accent-soft": "#e8eefb",
    "cell": "#6b95ea",
    "train": "#898e99",
    "best": "#b4530a",
    "warn-soft": "#fdf1e3",
    "series-1": "#2f6fde",
    "series-2": "#c2570c",
    "series-3": "#0f766e",
    "series-4": "#7c3aed",
    "series-5": "#be185d",
}

DARK = {
    "page": "#111318",
    "surface": "#191c23",
    "line": "#2d323c",
    "ink": "#e9eaee",
    "muted": "#a0a5b1",
    "accent": "#86aaff",
    "accent-soft": "#202b45",
    "cell": "#3761c2",
    "train": "#737986",
    "best": "#f0a35c",
    "warn-soft": "#33271a",
    "series-1": "#6ea8fe",
    "series-2": "#fb923c",
    "series-3": "#2dd4bf",
    "series-4": "#b794f6",
    "series-5": "#f472b6",
}
SERIES = tuple(role for role in LIGHT if role.startswith("series-"))


def css_variables(palette: dict[str, str]) -> str:
    """Formats the palette as CSS declarations: `--ink: #1d1f24; …`."""
    return " ".join(f"--{role}: {colour};" for role, colour in palette.items())
