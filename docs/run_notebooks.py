"""Executes the notebooks of docs/notebooks/ and keeps what they print and draw.

    python docs/run_notebooks.py [NAME…]

Each runs in an empty folder of its own. stderr is not kept: it holds progress bars and warnings of the
machine. Needs pip install 'ferjax[dev]'; a cell that fails ends the command, and nothing is written.
"""

import base64
import io
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

FOLDER = Path(__file__).resolve().parent / "notebooks"


def execute(path: Path, folder: Path) -> NotebookNode:
    """Executes a notebook by the Python that runs this.

    Args:
        path: its .ipynb file, which stays as it is.
        folder: where it works.

    Returns:
        The notebook with its outputs; nothing in it tells when and where it ran.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata.clear()
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                if "text" in output:
                    output.text = _without(output.text, folder.resolve(), FOLDER.parents[1])
                if "image/png" in output.get("data", {}):
                    output.data["image/png"] = _in_256_colours(output.data["image/png"])
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return notebook


def _without(text: str, *folders: Path) -> str:
    """Takes folders of this machine out of the paths in a text."""
    for folder in folders:
        text = text.replace(f"{folder}/", "")
    return text


def _in_256_colours(picture: str) -> str:
    """Makes a PNG file, in base64, a third as large."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        image.convert("RGB").quantize(256).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def main() -> None:
    """Executes all, or those that are named."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        if path.stem in sys.argv[1:] or not sys.argv[1:]:
            with tempfile.TemporaryDirectory() as folder:
                executed = execute(path, Path(folder))
            nbformat.write(executed, path)
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
