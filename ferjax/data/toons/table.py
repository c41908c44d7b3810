"""Tables of the toons: which of the artist's parts show which emotion, and how faces may vary.

The artist named his brows, eyes, mouths and expressions; these tables say which combinations show which
class. They were set by looking at every combination. Parts that a person may read in two ways are left out.
"""

from dataclasses import dataclass, field

from ferjax.data.labels import FER7, FER8

Box = tuple[float, float, float, float]  # x0, y0, x1, y1

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Conditions:
    """Limits on how an image differs from a clean, upright drawing. Ranges are drawn from uniformly.

    Attributes:
        rotation: largest turn either way, degrees.
        shift: largest shift either way along x and y, pixels.
        scale: smallest and largest size, 1 is the canonical size.
        stretch: largest relative difference of the sizes along x and y.
        clutter: largest number of shapes behind the face.
        occlusion: chance that a shape hides a part of the face.
        brightness: largest change of every pixel either way, grey levels.
        contrast: smallest and largest factor on the distance from mid-grey.
        gradient: largest relative change of light from the middle to a border.
        blur: chance of each of three passes of a 1-2-1 kernel.
        noise: largest deviation of the pixel noise, grey levels.
    """

    rotation: float
    shift: float
    scale: tuple[float, float]
    stretch: float
    clutter: int
    occlusion: float
    brightness: float
    contrast: tuple[float, float]
    gradient: float
    blur: float
    noise: float


@dataclass(frozen=True)
class ToonStyle:
    """One artist's style as a data set.

    Attributes:
        name: the name used in seeds and config names.
        file: the definition in the package `dicebear_styles`.
        crop: the square of the artist's canvas that the canonical 64×64 image shows: x, y, side.
        names: class names in label order.
        recipes: class → recipes; a recipe gives for each part the variants it may take, in any combination.
        identity: part → the chance that a person has it, and its variants. Colours vary too.
        boxes: where each part lies in the canonical image, pixels, for all its variants (but for the tears
            of laughter of `smileLOL`).
        counts: split → images of each class, in label order.
        images_per_identity: how many images in a row show the same person.
        conditions: how the images differ from clean drawings.
    """

    name: str
    file: str
    crop: tuple[float, float, float]
    names: tuple[str, ...]
    recipes: dict[str, tuple[dict[str, tuple[str, ...]], ...]]
    identity: dict[str, tuple[float, tuple[str, ...]]]
    boxes: dict[str, Box]
    counts: dict[str, tuple[int, ...]]
    images_per_identity: int
    conditions: Conditions = field(repr=False)


def _face(eyebrows: str, eyes: str, mouth: str) -> dict[str, tuple[str, ...]]:
    """Makes a recipe from the names of the variants of each part, separated by blanks."""
    return {"eyebrows": _names(eyebrows), "eyes": _names(eyes), "mouth": _names(mouth)}


def _expression(names: str) -> tuple[dict[str, tuple[str, ...]], ...]:
    """Makes a recipe of a style that draws a whole expression as one part."""
    return ({"expression": _names(names)},)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FROWN = "angry angryNatural "
_CALM = "default defaultNatural "
_FLAT = "flatNatural "
_WORRY = "frownNatural sadConcerned sadConcernedNatural "
_RAISED = "raisedExcited raisedExcitedNatural "
_UNEVEN = "upDown upDownNatural "

AVATAAARS = ToonStyle(
    name="avataaars",
    file="avataaars.json",
    crop=(56.0, 34.0, 168.0),
    names=FER7,
    recipes={
        "angry": (
            _face(_FROWN, "default squint side", "serious sad grimace concerned"),
            _face(_FROWN, "default squint surprised", "screamOpen grimace disbelief"),
        ),
        "disgust": (
            _face(_FROWN + _WORRY + _FLAT, "squint closed xDizzy default", "vomit"),
            _face(_WORRY, "squint closed xDizzy eyeRoll", "tongue"),
            _face(_FROWN, "closed xDizzy", "tongue"),
        ),
        "fear": (
            _face(_WORRY, "surprised", "grimace screamOpen concerned disbelief sad"),
            _face(_WORRY, "default side", "grimace"),
        ),
        "happy": (
            _face(_CALM + _RAISED + _UNEVEN, "default happy wink", "smile default twinkle"),
            _face(_CALM + _RAISED, "happy hearts wink winkWacky", "smile tongue"),
        ),
        "sad": (
            _face(_WORRY, "default closed cry", "sad serious"),
            _face(_WORRY, "closed cry", "disbelief concerned"),
            _face(_CALM + _FLAT, "cry closed", "sad"),
        ),
        "surprise": (
            _face(_RAISED + _CALM + _UNEVEN, "surprised", "disbelief screamOpen serious concerned"),
        ),
        "neutral": (
            _face(_CALM, "default side squint closed", "serious"),
            _face(_FLAT, "default closed", "serious"),
        ),
    },
    identity={
        # Left out: hair over the brows, dark glasses, and beards over the mouth, for they hide the class;
        # clothes with words or pictures.
        "top": (
            1.0,
            _names(
                "bob bun curly curvy dreads dreads01 dreads02 frida frizzle fro froBand hat hijab "
                "shavedSides shortCurly shortFlat shortRound shortWaved sides straight02 theCaesar "
                "theCaesarAndSidePart turban winterHat02 winterHat1"
            ),
        ),
        "accessories": (0.2, _names("prescription01 prescription02 round")),
        "facialHair": (0.2, _names("beardLight")),
        "clothes": (
            1.0,
            _names(
                "blazerAndShirt blazerAndSweater collarAndSweater hoodie overall shirtCrewNeck "
                "shirtScoopNeck shirtVNeck"
            ),
        ),
    },
    boxes={
        "brow_left": (13.0, 18.0, 29.0, 28.0),
        "brow_right": (35.0, 18.0, 51.0, 28.0),
        "eye_left": (15.5, 24.0, 28.5, 38.5),
        "eye_right": (35.5, 24.0, 48.5, 38.5),
        "nose": (27.0, 36.5, 37.0, 40.0),
        "mouth": (19.5, 40.0, 44.5, 55.0),
    },
    counts={
        #        angry disgust fear happy  sad surprise neutral
        "train": (440, 160, 270, 1250, 600, 480, 1000),
        "validation": (73, 27, 45, 208, 100, 80, 167),
        "test": (147, 60, 90, 410, 200, 160, 333),
    },
    images_per_identity=3,
    conditions=Conditions(
        rotation=15.0,
        shift=4.0,
        scale=(0.85, 1.12),
        stretch=0.06,
        clutter=4,
        occlusion=0.3,
        brightness=40.0,
        contrast=(0.6, 1.2),
        gradient=0.35,
        blur=0.3,
        noise=10.0,
    ),
)

OPEN_PEEPS = ToonStyle(
    name="open_peeps",
    file="open-peeps.json",
    crop=(263.0, 202.0, 390.0),
    names=FER8,
    recipes={
        "angry": _expression("angryWithFang rage veryAngry"),
        "disgust": (),
        "fear": _expression("concerned fear hectic"),
        "happy": _expression(
            "calm cute eatingHappy lovingGrin1 lovingGrin2 smile smileBig smileLOL smileTeethGap"
        ),
        "sad": _expression("solemn tired"),
        "surprise": _expression("awe explaining"),
        "neutral": _expression("blank eyesClosed old serious"),
        "contempt": _expression("contempt suspicious"),
    },
    identity={
        "head": (
            1.0,
            _names(
                "afro bangs bantuKnots bun bun2 buns cornrows cornrows2 dreads2 flatTop flatTopLong grayBun "
                "grayMedium grayShort hatBeanie hijab long longCurly medium1 medium2 medium3 mediumBangs2 "
                "mohawk mohawk2 noHair1 noHair2 noHair3 pomp shaved1 shaved2 shaved3 short1 short2 short3 "
                "short4 short5 turban twists twists2"
            ),
        ),
        "accessories": (0.15, _names("glasses glasses2 glasses3 glasses5")),
        "facialHair": (0.1, _names("chin")),
        "mask": (0.0, ()),
    },
    boxes={
        "brow_left": (16.0, 13.0, 33.0, 27.0),
        "brow_right": (33.0, 12.0, 51.0, 27.0),
        "eye_left": (14.0, 20.0, 33.0, 38.0),
        "eye_right": (33.0, 19.0, 52.0, 38.0),
        "nose": (30.0, 29.0, 43.0, 42.0),
        "mouth": (17.0, 38.0, 48.5, 54.0),
    },
    counts={
        #        angry disgust fear happy  sad surprise neutral contempt
        "train": (220, 0, 150, 390, 180, 160, 210, 90),
        "validation": (55, 0, 38, 97, 45, 40, 52, 23),
        "test": (110, 0, 75, 195, 90, 80, 105, 45),
    },
    images_per_identity=2,
    conditions=Conditions(
        rotation=10.0,
        shift=3.0,
        scale=(0.9, 1.1),
        stretch=0.04,
        clutter=0,
        occlusion=0.08,
        brightness=20.0,
        contrast=(0.8, 1.1),
        gradient=0.15,
        blur=0.15,
        noise=5.0,
    ),
)

STYLES: dict[str, ToonStyle] = {style.name: style for style in (AVATAAARS, OPEN_PEEPS)}
