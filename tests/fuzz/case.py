"""One input of the fuzzer, and what is done with it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Case:
    """Attributes:
    run: gives the input to ferjax, and checks with `assert` what must hold if it is taken.
    user: the files of the user, which must be as they were afterwards.
    refuses: exceptions that are documented beside `UserError`.
    about: what was done to the input, for the message of a failure.
    """

    run: Callable[[], Any]
    user: Path
    refuses: tuple[type[Exception], ...] = ()
    about: str = ""
