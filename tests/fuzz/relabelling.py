"""Lists of new labels, as people fill them in."""

from pathlib import Path
from random import Random

from ferjax.data import relabel_file
from fuzz import mutations, seeds
from fuzz.case import Case


def make(rng: Random, folder: Path) -> Case:
    """A list whose text is changed once or twice, or in whose place lies something else."""
    user = folder / "user"
    user.mkdir()
    key = rng.choice(relabel_file.KEYS)
    names = [
        f"train/{number}" if key == "example" else f"{number}.png" for number in range(rng.randint(1, 6))
    ]
    lines = [f"{key},label,suggestion,score,{relabel_file.NEW}"]
    for name in names:
        given, other = rng.choices(seeds.CLASSES, k=2)
        lines.append(f"{name},{given},{other},0.{rng.randint(0, 99):02},{rng.choice((other, ''))}")
    content = mutations.changed_table(rng, "\n".join(lines))
    if rng.random() < 0.3:
        content = mutations.changed_table(rng, content.decode(errors="replace") or "x")
    (user / "relabel.csv").write_bytes(content)
    about = [mutations.disturb(rng, user) for _ in range(rng.choice((0, 0, 0, 1)))]

    def run() -> None:
        found = relabel_file.read(str(user / "relabel.csv"))
        found.check_classes(seeds.CLASSES)
        found.check_known(names, "a set")
        assert all(row.new in seeds.CLASSES and row.key in names for row in found.rows)

    return Case(run, user, about=f"{content[:300]!r}, {about}")
