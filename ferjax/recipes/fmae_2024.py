"""The fine-tuning of FMAE (Ning et al., 2024) for RAF-DB: AdamW with a rate that falls by layer."""

from ml_collections import ConfigDict


def fine_tuned(config: ConfigDict, image_size: int = 224, layer_decay: float = 0.65) -> None:
    """Sets FMAE's fine-tuning, as far as ferjax has its parts.

    Its crops (random and resized), its random operations and its erasing have counterparts here that draw
    otherwise; half a cosine ends at 0 here and at 1e-6 there.

    Args:
        config: changed in place.
        image_size: pixels, both sides.
        layer_decay: factor on the rate from each layer to the one before it.
    """
    config.data.image_size = image_size
    config.augment.update(flip=True, random_crop=0.2, randaugment=2, randaugment_magnitude=9.0, erase=0.25)
    config.train.update(batch_size=32, epochs=60.0)
    config.optimizer.update(name="adamw", weight_decay=0.05, decay_vectors=False, layer_decay=layer_decay)
    config.schedule.update(
        name="cosine", learning_rate=1e-3, scale_rate="linear", base_batch=256, warmup_epochs=6.0
    )
