"""`python -m ferjax report RUN [RUN…] [--out=FOLDER]`: writes the page of each run and a comparison.

RUN is a workdir, finished or not. Its page is RUN/report/index.html, with report.md and the pictures as PNG
and SVG beside it. With two or more finished runs a comparison is written to FOLDER.
"""

import os
from pathlib import Path

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.files import user_path
from ferjax.registry import verb
from ferjax.report import page, tables
from ferjax.report.comparison import write_comparison
from ferjax.report.run import Run, read_run
from ferjax.storage import mirrors

_OUT = framework.path_flag("out", "", "Folder of the comparison; comparison/ beside the runs if empty.")


def _summary(run: Run) -> str:
    if run.losses:
        return tables.losses_line(run.losses)
    if run.result:
        return f"{tables.text_table(run.result['test'])}\n"
    return "This run is unfinished: it has no result.json."


@verb("looking closer", "write the pages of runs, and one that compares them")
def main(argv: list[str]) -> None:
    """Writes `report/index.html` of every workdir named after the program, and the comparison.

    Raises:
        UserError: none is named, one is not a workdir, or a file in one is damaged.
    """
    if len(argv) < 2:
        raise UserError("name the workdir of a run: python -m ferjax report RUN [RUN...]")
    workdirs = list(dict.fromkeys(user_path(argument).resolve() for argument in argv[1:]))
    runs = [read_run(workdir) for workdir in workdirs]
    for run, written in zip(runs, page.write_pages(runs), strict=True):
        print(_summary(run))
        print(written)
    if sum(run.result is not None for run in runs) > 1:
        if not _OUT.value and len(workdirs) > 1 and any(map(mirrors.of, workdirs)):
            raise UserError("name a folder for the comparison with --out: not all runs are on this machine")
        beside = Path(os.path.commonpath([workdir.parent for workdir in workdirs]))
        print(write_comparison(runs, _OUT.value or beside / "comparison"))
    elif _OUT.value:
        raise UserError(f"--out={_OUT.value} is for a comparison, which needs two finished runs")
