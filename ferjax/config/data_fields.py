"""The schema of the groups model, data and augment: what a network sees, and how images are changed."""

from typing import Any

from ferjax.config.field import NAME, Anything, Choices, Field, Place, Range, Text
from ferjax.config.text_fields import parse_extra, parse_mixture


def _parse_fold(text: str) -> Any:
    # Not at the top: reading a config needs none of the libraries that `data` imports.
    from ferjax.data.folds import parse

    return parse(text)


def _parse_inner_fold(text: str) -> Any:
    from ferjax.data.folds import parse_inner

    return parse_inner(text)


def _parse_groups(text: str) -> Any:
    from ferjax.data.training_groups import names_of

    return names_of(text)


SWITCH = Anything("True or False")
FRACTION = Range(0, 1)
BELOW_ONE = Range(0, 1, below=True)
INSIDE = Range(0, 1, above=True, below=True)
ALPHA = Range(0, 1000)

MODEL = (
    Field("model.name", "resemotenet", Text("a network of ferjax, or package.module:Class", longest=NAME), "",
          "The network; the other fields of this group are its own options."),
)  # fmt: skip

DATA = (
    Field("data.name", "toons/avataaars",
          Text("a data set of ferjax, or package.module:Builder", longest=NAME), "", "The data set."),
    Field("data.mixture", "", Text("NAME=WEIGHT,…", parse_mixture), "",
          "Data sets that are trained on together, each with its part of every epoch; data.name then only "
          "validates and tests. Empty: data.name alone."),
    Field("data.dir", "", Place("a folder"), "",
          "Where data sets are built; empty: $TFDS_DATA_DIR or ~/tensorflow_datasets.", free=True),
    Field("data.image_size", 64, Range(1, 4096), "pixels", "Height and width of what the network takes."),
    Field("data.source_size", 0, Range(0, 4096), "pixels",
          "Height and width at which images are read, to cut crops from; 0: data.image_size."),
    Field("data.resize", "pil", Choices(("pil", "opencv", "draft")), "",
          "How images are resized: pil antialiases, opencv gives the bytes of cv2.resize, draft is pil but "
          "decodes large JPEGs at a half, quarter or eighth of their size."),
    Field("data.cache", "memory", Choices(("memory", "stream", "disk", "device")), "",
          "Where decoded images are kept: memory or disk; device: also on every device; stream: nowhere.",
          free=True),
    Field("data.workers", 0, Range(0, 1024), "processes",
          "Processes that decode images, with data.cache=stream.", free=True),
    Field("data.val_fraction", 0.1, INSIDE, "of train",
          "Part of train that becomes validation where a data set has no validation split."),
    Field("data.test_fraction", 0.0, BELOW_ONE, "of train",
          "Part of train that becomes test where a data set has no test split; 0: there must be one."),
    Field("data.fold", "",
          Text("3/10, train:3/10, subject:NAME, group:NAME or character:NAME", _parse_fold, longest=200), "",
          "Divides the whole data set (train:3/10: its training split alone) anew and tests on this part; "
          "empty: the official splits."),
    Field("data.inner_fold", "", Text("2/5", _parse_inner_fold, longest=20), "",
          "Divides all but test anew: this part is validation, the rest is train; empty: no inner folds."),
    Field("data.train_fraction", 1.0, Range(0, 1, above=True), "of train",
          "Part of the training examples that is used, the same part of every class."),
    Field("data.drop_leaks", False, SWITCH, "",
          "Leaves out of train the images that also stand in validation or test."),
    Field("data.drop_validation_leaks", False, SWITCH, "",
          "Leaves out of validation, which chooses the weights, the images that also stand in test."),
    Field("data.balance", "none",
          Choices(("none", "oversample", "draw", "oversample_groups", "draw_groups")), "",
          "oversample: an epoch shows every class as often as the largest one; draw: every image is drawn "
          "with replacement, each class equally likely; …_groups: likewise for data.groups."),
    Field("data.shuffle_parts", 1, Range(1, 2**16), "",
          "Stretches of the training split that are shuffled apart, each giving the same rows of every "
          "batch; a multiple of n lets each of n processes read one nth of the split."),
    Field("data.groups", "", Text("ATTRIBUTE,…", _parse_groups), "",
          "Attributes whose values divide the training images into groups, for data.balance and "
          "loss.group_dro, such as gender,class; class is the label."),
    Field("data.soft_labels", False, SWITCH, "",
          "Trains on the annotators' votes where the data set stores them (ferplus)."),
    Field("data.face_margin", -1.0, Range(-1, 2), "of the box",
          "Room around the detector's box, on each side, when a photograph's faces are cut out for the "
          "network; -1: what was measured for the data set, or 0.1.", free=True),
    Field("data.relabel", "", Place("a relabel file"), "",
          "A CSV file whose labels replace stored ones in every split, see labels.md; empty: none."),
    Field("data.label_noise", 0.0, BELOW_ONE, "of train",
          "Part of the training labels that is made wrong, to measure methods against wrong labels."),
    Field("data.label_noise_seed", 0, Range(0, 2**32, below=True), "", "Which labels, and to what."),
)  # fmt: skip

# The geometric ones are one resampling together. 0 is off.
AUGMENT = (
    Field("augment.flip", True, SWITCH, "", "Mirrors an image left to right with probability one half."),
    Field("augment.rotate", 0.0, Range(0, 180), "degrees", "Largest rotation each way."),
    Field("augment.translate", 0.0, BELOW_ONE, "of the image", "Largest shift each way."),
    Field("augment.scale", 0.0, BELOW_ONE, "of the image", "Largest relative change of the size each way."),
    Field("augment.shear", 0.0, Range(0, 60), "degrees", "Largest shear each way."),
    Field("augment.random_crop", 0.0, BELOW_ONE, "of each side",
          "Largest part of each side that is cut off; the rest is resized back."),
    Field("augment.elastic", 0.0, BELOW_ONE, "of the image", "Largest shift of a smooth random field."),
    Field("augment.brightness", 0.0, FRACTION, "", "Multiplies by a random factor of 1 ± this value."),
    Field("augment.contrast", 0.0, FRACTION, "",
          "Multiplies the distance from the mean brightness by a random factor of 1 ± this value."),
    Field("augment.saturation", 0.0, FRACTION, "",
          "Multiplies the distance from grey by a random factor of 1 ± this value."),
    Field("augment.hue", 0.0, Range(0, 0.5), "of the circle", "Largest turn of the hue each way."),
    Field("augment.grey", 0.0, FRACTION, "probability", "Turns an image grey."),
    Field("augment.randaugment", 0, Range(0, 100), "operations",
          "Random operations on each image, of geometry and tone (RandAugment)."),
    Field("augment.randaugment_magnitude", 5.0, Range(0, 10), "",
          "Strength of RandAugment's operations; 10 is the paper's largest."),
    Field("augment.erase", 0.0, FRACTION, "probability", "Covers a random rectangle."),
    Field("augment.mixup", 0.0, ALPHA, "",
          "α of Beta(α, α): mixes each image and its label with another one's."),
    Field("augment.cutmix", 0.0, ALPHA, "",
          "α of Beta(α, α): pastes a rectangle of another image, and mixes the labels by its area."),
    Field("augment.extra", "", Text("NAME=STRENGTH,… (or package.module:function=STRENGTH)", parse_extra), "",
          "Further augmentations by their registered names, such as one of your own."),
)  # fmt: skip
