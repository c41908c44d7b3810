"""What the service answers, as its OpenAPI page describes it."""

from typing import Literal

from pydantic import BaseModel, Field

from ferjax.scores.affect import DIMENSIONS


class Face(BaseModel):
    """A face; fields that the network does not say are left out."""

    face: int = Field(description="Its number from 1 on, the largest face first.")
    box: list[float] | None = Field(
        None,
        description="Left, top, right, bottom in the picture's pixels, if it was searched for faces.",
        min_length=4,
        max_length=4,
    )
    score: float | None = Field(None, description="The detector's confidence.", ge=0, le=1)
    label: str = Field(description="The most likely class.")
    probability: float = Field(description="Of the most likely class, calibrated.", ge=0, le=1)
    probabilities: dict[str, float] = Field(description="Of `top_k` classes, calibrated, the highest first.")
    unsure: bool | None = Field(None, description="Whether no class has the network's threshold or more.")
    set: list[str] | None = Field(None, description="Classes among which the actual one is, so often:")
    set_coverage: float | None = Field(None, description="How often `set` holds it.", ge=0, le=1)
    unlike: bool | None = Field(
        None, description="Whether it is unlike the faces of training: a drawing, covered, blurred, no face."
    )
    valence: float | None = Field(None, description="About −1 (unpleasant) to 1 (pleasant).")
    arousal: float | None = Field(None, description="About −1 (calm) to 1 (excited).")


assert set(DIMENSIONS) <= Face.model_fields.keys()


class Picture(BaseModel):
    """A picture, in the order in which they were sent."""

    status: Literal["ok", "no face", "failed"]
    reason: str | None = Field(None, description="Why it failed.")
    width: int | None = Field(None, description="Pixels of the upright picture.")
    height: int | None = None
    faces: list[Face]
    more_faces: bool | None = Field(None, description="Whether smaller faces were left out.")


class Answer(BaseModel):
    """The pictures of a request."""

    pictures: list[Picture]


class Problem(BaseModel):
    """Why a request was not answered, in one line."""

    detail: str


class State(BaseModel):
    """Of the service."""

    status: Literal["ok", "not ready", "stuck"]


class Network(BaseModel):
    """The network that answers, and the limits of a request."""

    origin: str = Field(description="Where its weights come from.")
    classes: list[str]
    unsure_below: float | None = Field(None, description="A face whose label has less than this is unsure.")
    set_coverage: float | None = None
    tells_unlike: bool
    valence_and_arousal: bool
    most_bytes: int = Field(description="Of a request's body.")
    most_files: int = Field(description="Of a request.")
    most_pixels: int = Field(description="Width times height of a picture.")
    most_faces: int = Field(description="Of a picture.")
