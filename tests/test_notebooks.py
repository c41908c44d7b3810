"""The notebooks of the documentation run from start to end, and hold what a page can show."""

import base64
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from ferjax.data.builders.build_once import build_once
from ferjax.data.sets.toons import Toons

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
LARGEST = 400_000  # bytes


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """The toons, all of them: TFDS draws a part only under another name than the notebooks use."""
    folder = tmp_path_factory.mktemp("sets")
    for style in ("avataaars", "open_peeps"):
        build_once(Toons(data_dir=folder, config=style, file_format="array_record"))
    return folder


@pytest.mark.relative
@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, sets, compiled, tmp_path):
    pytest.importorskip("onnxruntime")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import run_notebooks; from pathlib import Path;"
        "executed = run_notebooks.execute(Path(sys.argv[2]), Path('.'));"
        "assert any(cell.get('outputs') for cell in executed.cells)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(DOCS), str(path)],
        env={**os.environ, **tiny.environment(compiled), "TFDS_DATA_DIR": str(sets)},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_was_executed_from_start_to_end(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [output for cell in code for output in cell.outputs if output.get("name") == "stderr"]
    assert path.stat().st_size < LARGEST
    text = path.read_text()
    assert not [place for place in ("/root/", "/home/", "/tmp/") if place in text]


def test_a_page_shows_source_text_and_pictures():
    spec = importlib.util.spec_from_file_location("notebook_pages", DOCS / "notebook_pages.py")
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    png = b"\x89PNG"
    cells = [
        {"cell_type": "markdown", "source": ["# A title\n", "\n", "words"]},
        {"cell_type": "code", "source": "print(1)\n", "outputs": [{"name": "stdout", "text": ["1\n"]}]},
        {"cell_type": "code", "source": "draw()", "outputs": [
            {"data": {"image/png": base64.b64encode(png).decode(), "text/plain": "<Figure>"}}]},
    ]  # fmt: skip
    text, pictures = pages.page({"cells": cells}, "name")
    assert text.startswith('# A title\n\nwords\n\n<a href="name.ipynb" download>The notebook</a>')
    assert pages.on_page_markdown("[next](notebooks/other.ipynb)") == "[next](notebooks/other.md)"
    assert "```python\nprint(1)\n```\n\n```text\n1\n```" in text
    assert "![What the cell above draws](name_1.png)" in text
    assert "<Figure>" not in text
    assert pictures == {"name_1.png": png}
