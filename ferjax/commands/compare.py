"""`python -m ferjax compare FIRST SECOND`: tells whether the second is better than the first.

Two folders of `ferjax repeat`: differences paired by seed, with intervals and p values. Two workdirs of
single runs on one test set: McNemar's exact test over the images, from the predictions that training or
`ferjax evaluate` left.
"""

from ferjax.errors import UserError
from ferjax.experiments.compare import compare, table
from ferjax.registry import verb


@verb("several runs", "test whether one run or recipe beats another")
def main(argv: list[str]) -> None:
    """Prints the comparison."""
    if len(argv) != 3:
        raise UserError("name two folders: python -m ferjax compare FIRST SECOND")
    print(table(compare(argv[1], argv[2]), argv[1], argv[2]))
