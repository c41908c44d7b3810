"""Makes the pictures of docs/predict.md: `python docs/make_predict_pictures.py --workdir=RUN`.

RUN is one on toons/avataaars. The photograph is scikit-image's; the video is made of drawings of the test
split, one of each class, that fade into one another.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data as photographs

from ferjax import data
from ferjax.deploy import video
from ferjax.deploy.annotated_files import AnnotatedFiles
from ferjax.deploy.faces import Detector
from ferjax.deploy.predict import Options, predict
from ferjax.inference import classifier
from ferjax.inference.inputs import expand

HERE = Path(__file__).parent
RATE, STILL, FADE = 20.0, 14, 8  # frames a second; frames that a drawing stays and that it fades for
SIDE = 128


def write_video(path: Path) -> None:
    """One drawing of each class after the other."""
    source = data.load("toons/avataaars", "test", cache="stream", image_size=SIDE)
    labels = source.labels
    drawings = [
        source[int(np.flatnonzero(labels == label)[0])]["image"] for label in range(len(source.label_names))
    ]
    writer = video.Writer(path, RATE)
    for before, after in zip(drawings, [*drawings[1:], drawings[-1]], strict=True):
        for share in [0.0] * STILL + list(np.linspace(0, 1, FADE, endpoint=False)):
            writer.write(np.rint((1 - share) * before + share * after).astype(np.uint8))
    writer.close()


def main() -> None:
    """Writes docs/predict.png and docs/predict_timeline.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", required=True)
    network = classifier.load(parser.parse_args().workdir)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.fromarray(photographs.astronaut()).save(folder / "astronaut.png")
        write_video(folder / "drawings.mp4")
        drawn = AnnotatedFiles(folder / "out", network.label_names, top_k=3, every=0.0)
        for file, detector in (("astronaut.png", Detector()), ("drawings.mp4", None)):
            options = Options(detector, keep=True, smooth=0.1)
            for outcome in predict(expand([str(folder / file)]), network, options):
                drawn.add(outcome)
        drawn.finish()
        with Image.open(folder / "out" / "astronaut.jpg") as image:
            image.save(HERE / "predict.png", optimize=True)
        (HERE / "predict_timeline.png").write_bytes((folder / "out" / "drawings-timeline.png").read_bytes())


if __name__ == "__main__":
    main()
