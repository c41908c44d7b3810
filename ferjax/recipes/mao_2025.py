"""The recipe of Mao et al. (2025) for POSTER++, from networks that were trained on faces."""

from ml_collections import ConfigDict

# Data sets whose name begins so have a rate of their own; the others have CAER-S's.
_RATES = {"rafdb": 3.5e-5, "affectnet": 1e-6}


def fine_tuned(config: ConfigDict) -> None:
    """Trains by Adam for 200 epochs of falling rates, with mirrored images and covered rectangles.

    Each step takes two gradients (sharpness-aware, ρ = 0.05). The authors' weight decay is an option that
    their script reads and does not pass on, so there is none.

    Args:
        config: changed in place.
    """
    name = config.data.name
    rate = next((rate for start, rate in _RATES.items() if name.startswith(start)), 4e-5)
    config.data.image_size = 224
    config.augment.update(flip=True, erase=0.5)
    if name.startswith("affectnet"):
        config.data.balance = "draw"
        config.augment.erase = 1.0
    config.train.update(batch_size=144, epochs=200.0)
    config.optimizer.update(name="adamw", weight_decay=0.0, sam_rho=0.05)
    config.schedule.update(name="step", learning_rate=rate, factor=0.98, every_epochs=1.0)
