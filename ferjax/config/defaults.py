"""Every field of the configuration with its default; what each may be is checked in `ferjax.config`."""

from ml_collections import ConfigDict

# A stage of training, see `ferjax.training.stages`.
STAGE = {
    "epochs": 1.0,
    "learning_rate": 1e-3,
    "freeze": "",  # parameters that stay, a pattern on their paths; empty: none
    "depth_decay": 1.0,  # each group of layers has this much of the rate of the one after it
    "cross_entropy": 1.0,  # weight of the cross entropy in the loss
    "auxiliary": 1.0,  # weight of the losses that the network itself defines
    "auxiliary_losses": "",  # which of these, a pattern on their names; empty: all
}


def defaults() -> ConfigDict:
    """A complete configuration; a recipe in `configs/` changes what its paper says and adds model options."""
    return ConfigDict(
        {
            "model": {"name": "resemotenet"},
            "data": {
                "name": "toons/avataaars",
                "dir": "",  # where data sets are built; empty: $TFDS_DATA_DIR or ~/tensorflow_datasets
                "image_size": 64,  # pixels, both sides, of what the network takes
                "source_size": 0,  # pixels that images are read at, to cut crops from; 0: image_size
                "resize": "pil",  # pil antialiases; opencv: the bytes of cv2.resize
                # memory, disk: decoded once, uint8; device: and train is on every device; stream: when read
                "cache": "memory",
                "workers": 0,  # processes that decode when streaming
                "val_fraction": 0.1,  # carved from train where a set has no validation split
                "fold": "",  # 3/10, subject:NAME, character:NAME: divides the whole set anew; empty: official
                "train_fraction": 1.0,  # of the training examples, the same part of every class
                "drop_leaks": False,  # leave out of train what also stands in validation or test
                "balance": "none",  # oversample: every class as often as the largest, in every epoch
                "soft_labels": False,  # train on the annotators' votes where the set stores them (ferplus)
            },
            "augment": {
                # Geometry: one resampling for all of them. 0 is off, here and below.
                "flip": True,  # mirrored left to right with probability one half
                "rotate": 0.0,  # largest turn each way, degrees
                "translate": 0.0,  # largest shift each way, a fraction of the image
                "scale": 0.0,  # largest relative change of the size each way
                "shear": 0.0,  # largest slant each way, degrees
                "random_crop": 0.0,  # largest part of each side that is cut off; resized back
                "elastic": 0.0,  # bound of smooth displacements, a fraction of the image
                # Tone: factors within 1 ± the value.
                "brightness": 0.0,
                "contrast": 0.0,
                "saturation": 0.0,
                "hue": 0.0,  # largest turn each way, 1 is the whole circle
                "grey": 0.0,  # probability of an image without colour
                # RandAugment: so many random operations of geometry and tone an image, of one strength.
                "randaugment": 0,
                "randaugment_magnitude": 5.0,  # 10 is the paper's largest strength
                "extra": "",  # more augmentations, name=strength,name=strength; empty: none
                "erase": 0.0,  # probability that a rectangle is covered
                # Two examples in one, with soft labels: α of Beta(α, α).
                "mixup": 0.0,
                "cutmix": 0.0,
            },
            "loss": {
                "name": "cross_entropy",
                "options": {},  # keyword options of a loss of one's own
                "class_weights": "none",  # inverse: to the class's size; effective: to its effective number
                "effective_beta": 0.999,  # effective: 0 weighs all classes alike, towards 1 as inverse does
                "label_smoothing": 0.0,
                "focal_gamma": 0.0,  # examples that the network is sure of count less; 0: plain cross entropy
                "l2": "",  # fc1/kernel:0.001,fc2/kernel:0.01 adds 0.5·λ·ΣW² of the named parameters
            },
            "optimizer": {
                "name": "sgd",
                "options": {},  # keyword options of an optimizer of one's own
                "momentum": 0.9,
                "nesterov": False,
                "weight_decay": 1e-4,
                "decay_vectors": True,  # also biases and normalisation scales, as PyTorch does
                "beta1": 0.9,
                "beta2": 0.999,
                "epsilon": 1e-8,
                "trust_coefficient": 1e-3,  # lars: of the ratio between a weight's norm and its gradient's
                "clip_norm": 0.0,  # largest global gradient norm; 0: off
                "ema_decay": 0.0,  # of the averaged weights and statistics; 0: off
            },
            "schedule": {
                "name": "constant",
                "options": {},  # keyword options of a schedule of one's own
                "learning_rate": 1e-3,  # 0 with `stages`
                "scale_rate": "none",  # linear or sqrt: grows with train.batch_size / base_batch
                "base_batch": 256,
                "warmup_epochs": 0.0,
                "factor": 0.1,  # plateau and step: what the rate is multiplied with
                "patience": 5,  # plateau: validations without a better accuracy that are borne
                "every_epochs": 10.0,  # step: epochs between two falls
                "rise_fraction": 0.3,  # onecycle: share of the steps that rise
                "start_divisor": 25.0,  # onecycle: peak / first rate
                "end_divisor": 1e4,  # onecycle: first rate / last rate
            },
            "train": {
                "batch_size": 16,  # of all devices together
                "epochs": 80.0,  # 0 with `stages`, which say it themselves
                "max_steps": 0,  # ends the run earlier; 0: off
                "precision": "float32",
                # layers: keeps for the backward pass what convolutions and linear layers give, and computes
                # the rest again.
                "remat": "none",
                "accumulate_steps": 1,  # parts that a batch is split into, one after another
                "steps_per_call": 1,  # steps that a device takes at one call from the host
                "seed": 0,
                "log_every": 20,  # steps
                "early_stop_patience": 0,  # validations without a better accuracy that are borne; 0: off
            },
            "init": {
                "from": "",  # a workdir, one of its checkpoints, an import, .safetensors, .pth; empty: random
                "into": "",  # the module that takes the weights, such as backbone; empty: the whole network
                "new": "",  # arrays that begin at random all the same, a pattern on their paths; empty: none
                "freeze": "",  # parameters that stay, a pattern on their paths; empty: none
                "freeze_statistics": True,  # frozen batch normalisation uses its running statistics
            },
            "stages": {},  # stage1, stage2, …, each with the fields of STAGE; empty: one, see `set_stages`
            "mesh": {"data": -1, "fsdp": 1},  # devices along each axis; -1: all that are left
            "checkpoint": {
                "keep": 2,  # newest ones kept beside the best
                "every_steps": 0,  # also between validations; 0: off
            },
            "eval": {
                "batch_size": 64,
                "every_epochs": 1.0,
                # none: the centre; flip: and its mirror image; five or ten (with source_size): corners too.
                "crops": "none",
            },
        }
    )
