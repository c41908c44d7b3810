"""The fine-tuning of HSEmotion's networks (Savchenko, 2022): the classifier alone, then everything."""

from ml_collections import ConfigDict

from ferjax import config as ferjax_config


def fine_tuned(config: ConfigDict, image_size: int) -> None:
    """Sets three epochs of the classifier and six of the whole network, without augmentation.

    Each step takes two gradients (sharpness-aware, ρ = 0.05).

    Args:
        config: changed in place.
        image_size: pixels, both sides.
    """
    config.data.image_size = image_size
    config.augment.flip = False
    config.loss.update(class_weights="inverse", label_smoothing=0.1)
    config.train.batch_size = 64
    config.optimizer.update(name="adamw", weight_decay=0.0, sam_rho=0.05)
    ferjax_config.set_stages(
        config,
        {"epochs": 3.0, "learning_rate": 1e-3, "freeze": r"^(?!classifier/)"},
        {"epochs": 6.0, "learning_rate": 1e-4},
    )
