"""Masked auto-encoding (He et al., 2022) as FMAE uses it for faces, and the linear probe that follows."""

from ml_collections import ConfigDict

# All of a vision transformer but its classifier stays, the normalisation before it included.
_ENCODER = "^(?!head/)"
# Sines and cosines, which the method does not train.
_POSITIONS = "pos_embed$"


def pretrained(
    config: ConfigDict, image_size: int = 224, batch_size: int = 512, epochs: float = 50.0
) -> None:
    """Sets FMAE's pre-training: three quarters hidden, AdamW, half a cosine, mirror images alone.

    The decoder is the paper's: 8 blocks of width 512.

    Args:
        config: changed in place.
        image_size: pixels, both sides.
        batch_size: images a step; the learning rate is in proportion to it.
        epochs: passes over the training split, of 9 million faces there.
    """
    config.pretrain.update(method="mae", mask_ratio=0.75, normalise_targets=True)
    config.init.freeze = _POSITIONS
    config.data.image_size = image_size
    config.augment.flip = True
    config.train.update(batch_size=batch_size, epochs=epochs)
    config.optimizer.update(name="adamw", weight_decay=0.05, decay_vectors=False, beta2=0.95)
    config.schedule.update(
        name="cosine", learning_rate=1.5e-4, scale_rate="linear", base_batch=256, warmup_epochs=epochs / 25
    )
    config.eval.batch_size = 256


def small(config: ConfigDict, batch_size: int, epochs: float, image_size: int = 48) -> None:
    """Sets pre-training for a small network and small images: a small decoder, more epochs, a higher rate.

    Args:
        config: changed in place.
        batch_size: images a step.
        epochs: passes over the training split.
        image_size: pixels, both sides.
    """
    pretrained(config, image_size, batch_size, epochs)
    config.pretrain.update(decoder_width=128, decoder_depth=4, decoder_heads=4)
    config.schedule.update(learning_rate=1e-3, base_batch=batch_size)
    config.eval.every_epochs = epochs / 10


def probed(config: ConfigDict, image_size: int, batch_size: int = 128, epochs: float = 90.0) -> None:
    """Trains a linear classifier alone on a frozen encoder, to measure what it has learnt (section 4.1).

    There is no batch normalisation before it, as there is in the paper; what it reads is normalised already.

    Args:
        config: changed in place.
        image_size: pixels, both sides.
        batch_size: images a step.
        epochs: passes over the training split.
    """
    config.model.drop_path = 0.0
    config.init.freeze = _ENCODER
    config.data.image_size = image_size
    config.augment.flip = True
    config.train.update(batch_size=batch_size, epochs=epochs)
    config.optimizer.update(name="sgd", momentum=0.9, weight_decay=0.0)
    config.schedule.update(name="cosine", learning_rate=0.1, warmup_epochs=epochs / 9)
