"""Makes docs/demo.png, serve.png, web.png and explain.png.

    PYTHONPATH=tests python docs/make_page_pictures.py

The shipped network on photographs in the public domain, see `make_predict_pictures.py`, drawn by Chromium.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import Browser
from make_predict_pictures import people
from matplotlib import cbook
from PIL import Image
from skimage import data as photographs

HERE = Path(__file__).parent
FERJAX = [sys.executable, "-u", "-m", "ferjax"]
METHODS = "grad_cam,hires_cam,occlusion,integrated_gradients"
DEMO_HEAD = 90  # pixels of empty page above the demo's title


def save(page: Browser, path: Path, head: int = 0) -> None:
    """Writes what the page shows below so many pixels."""
    whole = path.with_suffix(".whole.png")
    whole.write_bytes(page.picture())
    with Image.open(whole) as image:
        image.convert("RGB").crop((0, head, *image.size)).save(path, optimize=True)
    whole.unlink()


def picture_demo(page: Browser, photograph: Path) -> None:
    """Opens the demo, drops a photograph on it and waits for all that it shows."""
    with subprocess.Popen([*FERJAX, "demo", "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = next(filter(None, (re.search(r"http://\S+", line) for line in process.stdout)))
        page.open(address[0])
        page.wait_for("Drop a picture, or take one.")
        page.give("input[type=file]", photograph)
        page.wait_for("where it looked for")
        page.wait("document.querySelectorAll('[data-testid=stImage] img').length >= 3")
        page.load()
        save(page, HERE / "demo.png", DEMO_HEAD)
        process.kill()


def picture_serve(page: Browser, photograph: Path) -> None:
    """Opens the service's page, lets it predict a photograph and waits for the answer."""
    with subprocess.Popen([*FERJAX, "serve", "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = next(filter(None, (re.search(r"http://[^\s,]+", line) for line in process.stdout)))
        page.open(f"{address[0]}/docs")
        page.click(".opblock-summary-control", "/v1/predict")
        page.give("input[type=file]", photograph)
        page.click("button", "Execute")
        page.wait("document.querySelector('.live-responses-table')?.innerText.includes('happy')")
        page.run("document.querySelector('.live-responses-table').scrollIntoView()")
        save(page, HERE / "serve.png")
        process.kill()


def picture_web(page: Browser, photograph: Path, folder: Path) -> None:
    """Writes the static page, drops a photograph on it and waits for the answer."""
    subprocess.run([*FERJAX, "export", "--formats=web", f"--out={folder / 'handed'}"], check=True)
    page.open((folder / "handed" / "web" / "index.html").as_uri())
    page.wait_for("Drop a picture, or use the camera.")
    page.give("#file", photograph)
    page.wait("performance.getEntriesByName('answered').length")
    save(page, HERE / "web.png")


def picture_explain(page: Browser, folder: Path) -> None:
    """Explains the faces of two photographs and opens the gallery."""
    (folder / "faces").mkdir()
    for name, image in zip(("collins", "hopper"), people(), strict=True):
        image.save(folder / "faces" / f"{name}.png")
    # From within the folder: the page shows the pictures' names as they are given.
    subprocess.run([*FERJAX, "explain", "--images=faces", f"--methods={METHODS}"], cwd=folder, check=True)
    page.open((folder / "explanations" / "index.html").as_uri())
    page.wait_for("hopper")
    page.load()
    save(page, HERE / "explain.png")


def main() -> None:
    """Writes the pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "profile").mkdir()
        with cbook.get_sample_data("grace_hopper.jpg") as file:
            hopper = Image.open(file).convert("RGB")
        both = Image.new("RGB", (880, 512))
        both.paste(Image.fromarray(photographs.astronaut()), (0, 0))
        both.paste(hopper.crop((60, 30, 472, 600)).resize((368, 512)), (512, 0))
        both.save(folder / "two.png")
        with Browser(folder / "profile") as page:
            picture_demo(page, folder / "two.png")
            picture_serve(page, folder / "two.png")
            picture_web(page, folder / "two.png", folder)
            picture_explain(page, folder)


if __name__ == "__main__":
    main()
