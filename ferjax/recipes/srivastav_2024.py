"""The recipe of Srivastav & Khare (2024): ImageNet weights, a frozen stage, one cycle over the whole net."""

from ml_collections import ConfigDict

from ferjax import config as ferjax_config


def paper(config: ConfigDict, body: str, depth_decay: float) -> None:
    """Trains the classifier alone for ten epochs, then the whole network for 25, early layers more slowly.

    Each stage is one cycle; the paper takes its rate from a range test, `python -m ferjax lr-find`. Where it
    is silent (rates, optimizer, weight decay, image size, augmentation) it shows the tables of fastai 1,
    whose defaults these are.

    Args:
        config: changed in place.
        body: pattern on the paths of the parameters before the classifier.
        depth_decay: factor on the rate from each layer or block to the one before it.
    """
    config.data.image_size = 224
    config.train.batch_size = 25
    config.optimizer.update(name="adamw", beta1=0.9, beta2=0.99, weight_decay=0.01)
    config.schedule.update(name="onecycle", rise_fraction=0.3, start_divisor=25.0)
    ferjax_config.set_stages(
        config,
        {"epochs": 10.0, "learning_rate": 3e-3, "freeze": body},
        {"epochs": 25.0, "learning_rate": 1e-4, "depth_decay": depth_decay},
    )
