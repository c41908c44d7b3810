"""Makes the frame of every page of ferjax: offline, self-contained, light and dark."""

import base64
import hashlib
from html import escape

from ferjax.report.style import STYLE

# Nothing may be fetched and no script but the page's own may run, whatever a label or a config holds.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def document(title: str, eyebrow: str, subtitle: str, body: str, footer: str, script: str = "") -> str:
    """Makes a whole HTML page.

    Args:
        title: plain text.
        eyebrow: the kind of page, plain text above the title.
        subtitle: HTML.
        body: HTML.
        footer: HTML.
        script: JavaScript, a constant of ferjax; the page is allowed to run this text alone. None if empty.
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}{_allowed(script)}">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<header>
<p class="eyebrow">{escape(eyebrow)}</p>
<h1>{escape(title)}</h1>
<p class="muted">{subtitle}</p>
</header>
{body}
<footer>{footer}</footer>
</main>{f"<script>{script}</script>" if script else ""}
</body>
</html>
"""


def _allowed(script: str) -> str:
    """Returns what the policy adds for a script: its hash."""
    if not script:
        return ""
    return f"; script-src 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def cards(*entries: tuple[str, str, str]) -> str:
    """Makes cards with numbers: title, value, note, all plain text; the first is the main one."""
    shown = [
        f'<div class="panel card{" main" if position == 0 else ""}"><dt>{escape(title)}</dt>'
        f'<dd class="value">{escape(value)}</dd><dd class="note">{escape(note)}</dd></div>'
        for position, (title, value, note) in enumerate(entries)
    ]
    return f'<dl class="cards">{"".join(shown)}</dl>'
