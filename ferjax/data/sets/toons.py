"""`toons`: an embedded facial-expression data set, drawn at first use. No download, no licence to sign.

`toons/avataaars` is the source domain (seven classes, out of balance, harsh conditions), `toons/open_peeps`
the target domain of another style (contempt, no disgust, milder), `toons/avataaars_noisy` the first with a
tenth of its training labels wrong, `toons/avataaars_copies` a quarter of the first, with copies of test
images in train. See docs/toons.md.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from ferjax.data.attributes import FEATURE
from ferjax.data.builders.set_info import SetInfo
from ferjax.data.seeded import Draws
from ferjax.data.toons.plan import drawn_labels, identity_of, noisy_labels
from ferjax.data.toons.pose import SIZE
from ferjax.data.toons.table import SPLITS, STYLES
from ferjax.platform.progress_bar import progress
from ferjax.registry import data_set


@dataclasses.dataclass(eq=False)
class ToonsConfig(tfds.core.BuilderConfig):
    """The style, the label noise and the share of the toons to draw.

    Attributes:
        style: `avataaars` or `open_peeps`. Configs of one style share their images, whatever their noise.
        label_noise: share of the training labels that name a wrong class, 0 … 1.
        fraction: of the images of every class and split; below 1 for tests.
        copies: share of the test images of which exact copies stand in train, 0 … 1.
    """

    style: str = "avataaars"
    label_noise: float = 0.0
    fraction: float = 1.0
    copies: float = 0.0


@data_set("toons/avataaars", config="avataaars")
@data_set("toons/avataaars_copies", config="avataaars_copies")
@data_set("toons/avataaars_noisy", config="avataaars_noisy")
@data_set("toons/open_peeps", config="open_peeps")
class Toons(tfds.core.GeneratorBasedBuilder):
    """TFDS builder of the toons. Use it with `file_format="array_record"`, which needs no TensorFlow.

    Every example holds

    - `image`: uint8 [64, 64, 3], RGB, as PNG;
    - `label`: int64, the class; in fer7 order, for `open_peeps` in fer8 order with no image of disgust;
    - `clean_label`: int64, the class that was drawn; another than `label` only where there is label noise;
    - `identity`: int64, the person; no person occurs in two splits, but for the planted copies;
    - `pose`: float32 [2, 3], canonical face pixels → image pixels, see `ferjax.data.toons.pose`;
    - `parts`: JSON, part → the artist's name of the variant that was drawn;
    - `attributes`: JSON, see `ferjax.data.toons.attributes`.
    """

    DESCRIPTION = "Cartoon faces that show emotions, drawn from the artist's own parts."
    SOURCE = "ferjax (2026)"
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012  (TFDS reads this class attribute)
        ToonsConfig(name="avataaars", style="avataaars", description="Source domain: out of balance, harsh."),
        ToonsConfig(
            name="avataaars_noisy",
            style="avataaars",
            label_noise=0.1,
            description="The images of avataaars; one training label in ten is wrong.",
        ),
        ToonsConfig(
            name="avataaars_copies",
            style="avataaars",
            fraction=0.25,
            copies=0.3,
            description="A quarter of avataaars; copies of three test images in ten stand in train.",
        ),
        ToonsConfig(
            name="open_peeps", style="open_peeps", description="Target domain: contempt, no disgust."
        ),
    ]

    @property
    def _toons(self) -> ToonsConfig:
        config = self.builder_config
        if not isinstance(config, ToonsConfig):
            raise TypeError(f"the config of toons is {config!r}")
        return config

    def _info(self) -> tfds.core.DatasetInfo:
        names = list(STYLES[self._toons.style].names)
        return SetInfo(
            builder=self,
            description=self.DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(SIZE, SIZE, 3), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=names),
                    "clean_label": tfds.features.ClassLabel(names=names),
                    "identity": np.int64,
                    "pose": tfds.features.Tensor(shape=(2, 3), dtype=np.float32),
                    "parts": tfds.features.Text(),
                    FEATURE: tfds.features.Text(),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://www.dicebear.com",
        )

    def _split_generators(self, dl_manager: object) -> dict[str, Iterator[tuple[str, dict]]]:
        config = self._toons
        total = sum(len(drawn_labels(config.style, split, config.fraction)) for split in SPLITS)
        total += len(self._copied())
        bar = progress(f"drawing toons/{config.name}", "images", total=total, delay=0)
        return {split: self._generate_examples(split, bar) for split in SPLITS}

    def _copied(self) -> set[int]:
        """Returns which test images have copies in train."""
        config = self._toons
        count = len(drawn_labels(config.style, "test", config.fraction))
        order = Draws("toons", config.style, "copies").order(count)
        return set(order[: round(config.copies * count)].tolist())

    def _generate_examples(self, split: str, bar: tqdm) -> Iterator[tuple[str, dict]]:
        yield from self._drawn(split, bar, None)
        if split == "train" and self._copied():
            yield from self._drawn("test", bar, self._copied())

    def _drawn(self, split: str, bar: tqdm, copied: set[int] | None) -> Iterator[tuple[str, dict]]:
        """Draws a split; with `copied`, those of its images alone, under other names."""
        from ferjax.data.toons.workers import draw_split  # imports the libraries that draw

        config = self._toons
        clean = drawn_labels(config.style, split, config.fraction)
        labels = noisy_labels(config.style, clean, config.label_noise) if split == "train" else clean
        for index, drawing in enumerate(draw_split(config.style, split, config.fraction)):
            if copied is not None and index not in copied:
                continue
            yield (
                f"{split}-{index:05d}" if copied is None else f"copy-{index:05d}",
                {
                    "image": drawing.png,
                    "label": int(labels[index]),
                    "clean_label": int(clean[index]),
                    "identity": identity_of(config.style, split, index),
                    "pose": drawing.pose,
                    "parts": drawing.parts,
                    FEATURE: drawing.attributes,
                },
            )
            bar.update()
        if bar.n == bar.total:
            bar.close()
