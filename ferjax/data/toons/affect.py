"""Computes a valence and an arousal for a toon, from its class and the parts that were drawn.

**Nobody has annotated the toons.** The numbers are made up so that a head for valence and arousal can be
tried and tested: each class has its place in the circle of Russell (A circumplex model of affect, 1980), and
some of the artist's eyes, mouths and expressions move it. What is learnt from them says nothing about people.
"""

import json

# Class → valence, arousal.
PLACES: dict[str, tuple[float, float]] = {
    "angry": (-0.6, 0.6),
    "disgust": (-0.7, 0.2),
    "fear": (-0.4, 0.7),
    "happy": (0.7, 0.3),
    "sad": (-0.7, -0.4),
    "surprise": (0.2, 0.7),
    "neutral": (0.0, -0.1),
    "contempt": (-0.5, 0.0),
}
# The artist's variant → what it adds.
_MOVES: dict[str, tuple[float, float]] = {
    # eyes of avataaars
    "closed": (0.0, -0.2),
    "squint": (0.0, -0.1),
    "surprised": (0.0, 0.1),
    "cry": (-0.2, 0.2),
    "hearts": (0.2, 0.2),
    # its mouths
    "screamOpen": (0.0, 0.2),
    "smile": (0.1, 0.1),
    "twinkle": (-0.1, -0.1),
    "grimace": (-0.1, 0.1),
    "vomit": (-0.2, 0.2),
    # expressions of open_peeps
    "calm": (-0.1, -0.4),
    "rage": (-0.2, 0.3),
    "hectic": (0.0, 0.2),
    "smileLOL": (0.2, 0.4),
    "smileBig": (0.2, 0.2),
    "tired": (0.2, -0.4),
    "eyesClosed": (0.0, -0.3),
    "awe": (0.2, 0.0),
}


def affect_of(label: str, parts: str | bytes) -> tuple[float, float]:
    """Computes (valence, arousal), each in [−1, 1].

    >>> affect_of("happy", '{"eyes": "hearts", "mouth": "smile"}')
    (1.0, 0.6)

    Args:
        label: the class that was drawn.
        parts: JSON, part → the artist's name of the variant.
    """
    drawn = json.loads(parts)
    moves = [_MOVES[drawn[part]] for part in ("eyes", "mouth", "expression") if drawn.get(part) in _MOVES]
    valence, arousal = (
        max(-1.0, min(1.0, round(place + sum(steps), 6)))
        for place, steps in zip(PLACES[label], zip(*moves, strict=True) if moves else ((), ()), strict=True)
    )
    return valence, arousal
