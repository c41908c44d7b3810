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
}


def css_variables(palette: dict[str, str]) -> str:
    """The palette as CSS declarations: `--ink: #1d1f24; …`."""
    return " ".join(f"--{role}: {colour};" for role, colour in palette.items())
