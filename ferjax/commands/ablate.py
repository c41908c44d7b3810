"""`python -m ferjax ablate [--config=FILE] [--seeds=N]`: ResEmoteNet without one part or another.

Trains the configurations C1 to C6 of the paper's table IV with one recipe, prints the test accuracies beside
the paper's claims, and writes WORKDIR/ablate.json and ablate.md. Each run is in WORKDIR/CONFIG/seed-N;
finished runs are read again. Without a convolution the later layers see larger images: C4 costs about eight
times what C1 does, so small images are worth a thought (--config.data.image_size=32).
"""

from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.experiments.ablate import FILE, VARIANTS, ablate, table
from ferjax.experiments.runs import until_stopped
from ferjax.files import write_atomic
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb

_CONFIG = framework.config_flag(
    default="resemotenet", help_string="A recipe of the network resemotenet: RECIPE[:DATASET[,key=value…]]."
)
_VARIANTS = flags.DEFINE_list("variants", list(VARIANTS), "Which of the configurations.")
_SEEDS = flags.DEFINE_integer("seeds", 1, "Seeds of each: train.seed, train.seed + 1, …")
_WORKDIR = flags.DEFINE_string("workdir", "", "Folder of the runs; runs/ablate-DATASET if empty.")


@verb("several runs", "train ResEmoteNet without one part or another")
def main(argv: list[str]) -> int:
    """Trains what is not finished, and prints the table."""
    framework.no_arguments(argv)
    keep_compiled()
    config = _CONFIG.value
    workdir = Path(_WORKDIR.value or f"runs/ablate-{config.data.name.replace('/', '-')}")

    def work() -> None:
        text = table(ablate(config, _VARIANTS.value, workdir, _SEEDS.value))
        write_atomic(workdir / "ablate.md", f"{text}\n".encode())
        print(f"\n{text}\n\nwritten to {workdir}/ablate.md and {workdir / FILE}")

    return until_stopped(work)
