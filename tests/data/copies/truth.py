"""What a builder should make of a copy."""

import dataclasses
from collections import Counter


@dataclasses.dataclass
class Truth:
    """Attributes:
    examples: (split, class, group) → how many.
    notes: parts of the notes that must be told.
    lost: files that are counted as missing or unreadable.
    """

    examples: Counter[tuple[str, str, str]] = dataclasses.field(default_factory=Counter)
    notes: tuple[str, ...] = ()
    lost: int = 0

    def add(self, split: str, name: str, group: str = "", count: int = 1) -> None:
        self.examples[split, name, group] += count
