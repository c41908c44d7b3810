"""Shows the notebooks of docs/notebooks/ as pages of the site: a hook of mkdocs.

The plugins for it load scripts from elsewhere; the site loads none. Only plain text and PNG pictures are
shown, which is all that these notebooks give.
"""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Adds a Markdown page and its pictures for each notebook."""
    from mkdocs.structure.files import File  # the tests need it not

    for notebook in list(files):
        if notebook.src_uri.endswith(".ipynb"):
            stem = notebook.src_uri.removesuffix(".ipynb")
            text, pictures = page(json.loads(Path(notebook.abs_src_path or "").read_text()), Path(stem).name)
            files.append(File.generated(config, f"{stem}.md", content=text))
            for name, content in pictures.items():
                files.append(File.generated(config, f"{Path(stem).parent}/{name}", content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Makes links to notebooks lead to their pages."""
    return re.sub(r"\]\(([\w/.]+)\.ipynb\)", r"](\1.md)", markdown)


def page(notebook: dict[str, Any], name: str) -> tuple[str, dict[str, bytes]]:
    """Turns a notebook into Markdown.

    Args:
        notebook: the content of its file.
        name: the file's name, without its ending.

    Returns:
        The text, and the pictures that it shows: their names, and PNG files.
    """
    pictures: dict[str, bytes] = {}
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        else:
            parts.append(_fenced("python", source))
            parts += _outputs(cell["outputs"], name, pictures)
    parts.insert(
        1, f'<a href="{name}.ipynb" download>The notebook</a>, to run it; what it gave is shown here.'
    )
    return "\n\n".join(parts) + "\n", pictures


def _outputs(outputs: list[dict[str, Any]], name: str, pictures: dict[str, bytes]) -> Iterator[str]:
    """Yields Markdown of a cell's outputs, and adds their pictures."""
    for output in outputs:
        data = output.get("data", {})
        if "image/png" in data:
            picture = f"{name}_{len(pictures) + 1}.png"
            pictures[picture] = base64.b64decode("".join(data["image/png"]))
            yield f"![What the cell above draws]({picture})"
        elif text := "".join(output.get("text") or data.get("text/plain") or ""):
            yield _fenced("text", text)


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.strip(chr(10))}\n```"
