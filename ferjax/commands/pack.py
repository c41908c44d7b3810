"""`python -m ferjax pack RUN… --out=FILE.zip`: packs finished runs so that others can check and repeat them.

One archive holds each run's config, metrics, result, predictions and page, the versions of all packages, the
digests of the data, what to cite and what may be passed on. RUN is a workdir, or a folder of runs such as
that of `ferjax repeat`. Checkpoints go in if asked for; pictures of a data set never do. The same runs give
the same bytes. `ferjax unpack` checks the archive and can train its runs again.
"""

from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.registry import verb

_OUT = framework.path_flag("out", "pack.zip", "The archive, a .zip.")
_CHECKPOINTS = flags.DEFINE_bool("checkpoints", False, "Also pack the checkpoints, the trained weights.")
_PREDICTIONS = flags.DEFINE_bool(
    "predictions", True, "Pack the predictions for each example, with the examples' labels."
)


@verb("several runs", "pack finished runs for others to check and train again")
def main(argv: list[str]) -> None:
    """Prints the archive's path and the SHA-256 of its list."""
    if len(argv) < 2:
        raise UserError("name the workdir of a run: python -m ferjax pack RUN [RUN...]")
    out = Path(_OUT.value or "pack.zip")
    if out.suffix.lower() != ".zip":
        raise UserError(f"--out={out} does not end in .zip")
    from ferjax.pack import archive
    from ferjax.pack.contents import gather
    from ferjax.platform import outputs
    from ferjax.report.wording import count_of

    outputs.check(archive.VERB, out)
    files, about = gather(argv[1:], _CHECKPOINTS.value, _PREDICTIONS.value)
    digest = archive.write(out, files, about)
    for name, run in about["runs"].items():
        for need in run["needs"]:
            print(f"{name} cannot be trained again from the pack alone, for it lacks {need}")
    runs = count_of(len(about["runs"]), "run")
    print(f"{runs} in {len(files)} files, {out.stat().st_size / 2**20:,.1f} MiB")
    print(f"SHA-256 of {archive.MANIFEST}: {digest}")
    print(f"written to {out}")
