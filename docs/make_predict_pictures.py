"""Makes the pictures of docs/predict.md: `python docs/make_predict_pictures.py [--workdir=RUN]`.

Without RUN by the network that ferjax ships. Both photographs are in the public domain: Eileen Collins (NASA,
shipped with scikit-image) and Grace Hopper (US Navy, shipped with Matplotlib). In the video they come in from
the sides, leave, and return.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib import cbook
from PIL import Image
from skimage import data as photographs

from ferjax.deploy import video
from ferjax.deploy.annotated_files import AnnotatedFiles
from ferjax.deploy.faces import Detector
from ferjax.deploy.predict import Options, predict
from ferjax.inference import classifier
from ferjax.inference.classifier import Classifier
from ferjax.inference.inputs import expand

HERE = Path(__file__).parent
RATE, SECONDS = 20.0, 6.0
WIDTH, HEIGHT = 640, 360
GREY = (70, 74, 80)


def people() -> list[Image.Image]:
    """Head and shoulders of both."""
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        hopper = Image.open(file).convert("RGB")
    collins = Image.fromarray(photographs.astronaut())
    return [
        collins.crop((112, 20, 352, 320)).resize((256, 320)),
        hopper.crop((40, 20, 480, 570)).resize((256, 320)),
    ]


def write_video(path: Path) -> None:
    """The first stays, leaves in the middle and returns; the second comes once."""
    first, second = people()
    writer = video.Writer(path, RATE)
    for time in np.arange(0, SECONDS, 1 / RATE):
        frame = Image.new("RGB", (WIDTH, HEIGHT), GREY)
        frame.paste(first, (round(40 - 420 * np.exp(-(((time - 3) / 1.4) ** 2))), 30))
        frame.paste(second, (round(360 + 340 * min(1, abs(time - 3.2) / 2)), 30))
        writer.write(np.asarray(frame))
    writer.close()


def opened(workdir: str) -> Classifier:
    """The network of a run, or the one that ferjax ships."""
    if workdir:
        return classifier.load(workdir)
    from ferjax import pretrained

    return pretrained.load()


def main() -> None:
    """Writes docs/predict.png and docs/predict_timeline.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", default="")
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    network = opened(args.workdir)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        both = Image.new("RGB", (768, 512), GREY)
        both.paste(Image.fromarray(photographs.astronaut()).crop((40, 0, 440, 512)), (0, 0))
        with cbook.get_sample_data("grace_hopper.jpg") as file:
            both.paste(Image.open(file).convert("RGB").crop((60, 30, 472, 600)).resize((368, 512)), (400, 0))
        both.save(folder / "two.png")
        write_video(folder / "video.mp4")
        drawn = AnnotatedFiles(folder / "out", network.label_names, top_k=3, every=0.0)
        for file in ("two.png", "video.mp4"):
            options = Options(Detector(), keep=True, smooth=0.3)
            for outcome in predict(expand([str(folder / file)]), network, options):
                drawn.add(outcome)
        drawn.finish()
        with Image.open(folder / "out" / "two.jpg") as image:
            image.save(args.out / "predict.png", optimize=True)
        (args.out / "predict_timeline.png").write_bytes((folder / "out" / "video-timeline.png").read_bytes())


if __name__ == "__main__":
    main()
