"""`python -m ferjax leaderboard DIR [--out=FOLDER]`: ranks the finished runs in a folder.

Runs of one recipe that differ in the seed are one entry. Each data set and test split has a table of its own:
scores with 95 % intervals, time, memory, parameters, operations where they are known, and what is on the
Pareto front. It writes FOLDER/index.html, one page that opens offline, sorts and filters, with
leaderboard.md, leaderboard.tex and leaderboard.csv beside it. Unfinished and damaged runs are named and left
out.
"""

from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.files import user_path
from ferjax.registry import verb

_OUT = framework.path_flag("out", "", "Folder to write to; DIR/leaderboard if empty.")
_BY = flags.DEFINE_enum(
    "by", "accuracy", ["accuracy", "mean_class_accuracy", "macro_f1"], "The score that ranks."
)


@verb("several runs", "rank the runs in a folder: scores, costs, the Pareto front")
def main(argv: list[str]) -> None:
    """Prints the tables and the page's path."""
    if len(argv) != 2:
        raise UserError("name a folder of runs: python -m ferjax leaderboard DIR")
    from ferjax.leaderboard import page
    from ferjax.leaderboard.columns import table
    from ferjax.leaderboard.entries import read_groups
    from ferjax.leaderboard.exports import title
    from ferjax.report.tables import markdown

    folder = user_path(argv[1])
    out = Path(_OUT.value or folder / "leaderboard")
    page.check_place(out)
    read = read_groups(folder, _BY.value)
    written = page.write(read, out, _BY.value)
    for group in read.groups:
        print(f"{title(group)}\n\n{markdown(*table(group.entries, _BY.value))}\n")
    for name, why in read.left_out.items():
        print(f"left out: {name}: {why}")
    print(f"written to {written}")
