"""Networks that ferjax ships: they name expressions on photographs without a training or a download.

    ferjax predict photo.jpg

Each lies in a folder of its name beside this file, a bundle as `ferjax.inference.bundle` reads it, with its
model card in `MODEL_CARD.md`. `benchmarks/build_pretrained.py` makes it from finished runs.
"""

from typing import TYPE_CHECKING

from ferjax.pretrained.places import DEFAULT, locate, names, shipped

if TYPE_CHECKING:
    from ferjax.inference.classifier import Classifier

__all__ = ["DEFAULT", "load", "locate", "names", "shipped"]


def load(name: str = DEFAULT) -> "Classifier":
    """Opens a network that ferjax ships.

    Args:
        name: one of `names()`.

    Returns:
        The same as `ferjax.inference.classifier.load` gives for a run or a bundle.

    Raises:
        UserError: there is no such network, or its files are damaged.

    Example:
        >>> import numpy as np
        >>> from ferjax import pretrained
        >>> network = pretrained.load()
        >>> network.label_names
        ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')
        >>> crop = np.zeros((120, 100, 3), np.uint8)  # a face, cut out of a photograph
        >>> probabilities = network.probabilities(network.preprocess([crop]))
        >>> probabilities.shape
        (1, 7)
        >>> 0 < network.unsure_below < 1  # below this, the most likely class is not to be relied on
        True
    """
    from ferjax.inference import classifier  # needs JAX, which names() does without

    return classifier.load(shipped(name))
