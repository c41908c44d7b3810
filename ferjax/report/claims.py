"""The papers' own numbers: claims, printed as such beside measured ones, never as targets."""

from typing import NamedTuple

RESEMOTENET = "Roy et al. (2024)"
SE_RESNET = "Huang et al. (2023)"
SDL = "Khan, Singh and Agrawal (2023)"
DEEP_EMOTION = "Minaee et al. (2021)"
ONE_CYCLE = "Srivastav and Khare (2024)"


class Claim(NamedTuple):
    """An accuracy in [0, 1] that a paper gives for a network on a set, and a note that the reader needs."""

    accuracy: float
    source: str
    note: str = ""


_RETRAINED = "people who retrain it on clean splits report about {}"
_RESNET_NOTE = "on validation"

# (registered network, data set) → claim
CLAIMS: dict[tuple[str, str], Claim] = {
    ("resemotenet", "fer2013"): Claim(0.7979, RESEMOTENET, _RETRAINED.format("58 to 66%")),
    ("resemotenet", "rafdb"): Claim(0.9476, RESEMOTENET, _RETRAINED.format("78 to 82%")),
    ("resemotenet", "affectnet7"): Claim(0.7293, RESEMOTENET, "the abstract says 72.39%"),
    ("resemotenet", "expw"): Claim(0.7567, RESEMOTENET),
    ("se_resnet18", "affectnet7"): Claim(0.5654, SE_RESNET, _RESNET_NOTE),
    ("se_resnet18", "rafdb"): Claim(0.6567, SE_RESNET, _RESNET_NOTE + "; 83.37% after AffectNet"),
    ("sdl", "fer2013"): Claim(0.7492, SDL, "± 0.16 over 15 runs, on a split of its own"),
    ("sdl", "ckplus"): Claim(0.985, SDL, "another table says 99.51%"),
    ("sdl", "ferg"): Claim(0.9947, SDL),
    ("attentional_cnn", "fer2013"): Claim(0.7002, DEEP_EMOTION, _RETRAINED.format("47 to 55%")),
    ("vgg19", "fer2013"): Claim(0.7002, ONE_CYCLE, "pre-trained on ImageNet"),
}

# Huang et al. (2023), Tables 2 and 3: (trained on, tested on) → accuracy on validation.
CROSS_DATABASE: dict[tuple[str, str], float] = {
    ("affectnet7", "affectnet7"): 0.5654,
    ("affectnet7", "rafdb"): 0.7737,
    ("rafdb", "affectnet7"): 0.426,
    ("rafdb", "rafdb"): 0.6567,
}
