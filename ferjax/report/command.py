"""`python -m ferjax report RUN [RUN…]`: writes the page of each run again.

RUN is a workdir, finished or not. Each run's per-class table is printed as well.
"""

from ferjax.errors import UserError
from ferjax.report import page, tables
from ferjax.report.run import read_run


def main(argv: list[str]) -> None:
    """Writes `report/index.html` of every workdir named after the program.

    Raises:
        UserError: if none is named, one is not a workdir, or a file in one is corrupt.
    """
    if len(argv) < 2:
        raise UserError("name the workdir of a run: python -m ferjax report RUN [RUN...]")
    for workdir in argv[1:]:
        result = read_run(workdir).result
        written = page.write_page(workdir)
        print(
            f"{tables.text_table(result['test'])}\n"
            if result
            else "This run is unfinished: it has no result.json."
        )
        print(written)
