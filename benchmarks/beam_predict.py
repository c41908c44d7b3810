"""Predicting very many pictures: in one file, in parts, in parts under Apache Beam, and after a kill.

    python -m benchmarks.beam_predict [--pictures 50000] [--killed 5000] [--workers 0] [--json FILE]

Needs the extra ferjax[beam]. The pictures are generated JPEG files of 96×96, one face each (`--cropped`), one
in a thousand of them cut off; the network is the one that ferjax ships. Each run is a command of its own;
memory is that of its largest process. Then fewer pictures are predicted under Beam, all processes are killed
when a third of the parts are done, and the same command goes on: inputs that are lost, doubled or answered
otherwise are counted.
"""

import csv
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import command_line, measure

PACKAGES = ("apache-beam", "jax", "jaxlib", "numpy", "pillow", "pyarrow")
SIZE = 96
DAMAGED = 1000  # one file in so many is cut off
KINDS = 256
PART = 1024  # inputs of a part in the large runs
PARTS_OF_THE_KILLED = 15


def write_pictures(folder: Path, count: int) -> None:
    """Writes smooth random pictures of a few hundred kinds, each with its own corner."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    kinds = []
    for _ in range(KINDS):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        kinds.append(np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC)).copy())
    for index in range(count):
        pixels = kinds[index % KINDS]
        pixels[:8, :8] = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
        encoded = buffer.getvalue()
        cut = len(encoded) // 2 if index % DAMAGED == 1 else len(encoded)
        (folder / f"{index:07d}.jpg").write_bytes(encoded[:cut])


def command(pictures: Path, *flags: str) -> list[str]:
    return [sys.executable, "-m", "ferjax", "predict", str(pictures), "--cropped", "--format=csv", *flags]


def timed(arguments: list[str]) -> dict[str, float]:
    """Runs a command to its end.

    Returns:
        Its seconds, those of processors in all its processes (other work does not change these much), and the
        largest resident memory of any of them.
    """
    start = time.perf_counter()
    nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    pid = os.posix_spawn(arguments[0], arguments, os.environ, file_actions=nowhere)
    _, status, usage = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) != 1:  # 1: some pictures could not be read, as they should not
        raise RuntimeError(f"the command failed with status {status}")
    return {
        "seconds": time.perf_counter() - start,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_memory_bytes": usage.ru_maxrss * 1024,
    }


def rows(path: Path) -> list[tuple[str, ...]]:
    """Source, status and label of every row of a file, or of the parts in a folder."""
    files = sorted(path.glob("part-*.csv")) if path.is_dir() else [path]
    return [
        (row["source"], row["status"], row["label"])
        for file in files
        for row in csv.DictReader(file.open(encoding="utf-8", newline=""))
    ]


def killed_and_resumed(pictures: Path, count: int, folder: Path, beam: str) -> dict[str, int]:
    """Kills a command with all its workers when a third of the parts are done, and starts it again."""
    arguments = command(pictures, f"--parts={folder}", f"--part_inputs={count // PARTS_OF_THE_KILLED}", beam)
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, start_new_session=True) as first:
        assert first.stderr
        while len(list(folder.glob("_plan/done/*.json"))) < PARTS_OF_THE_KILLED // 3:
            if not first.stderr.read(1):  # its progress
                break
        os.killpg(first.pid, signal.SIGKILL)
    done = len(list(folder.glob("_plan/done/*.json")))
    timed(arguments)
    found = Counter(source for source, _, _ in rows(folder))
    names = {str(path) for path in pictures.iterdir()}
    return {
        "parts_done_at_the_kill": done,
        "lost": len(names - found.keys()),
        "doubled": sum(number - 1 for number in found.values()),
    }


def main() -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--pictures", type=int, default=50_000)
    parser.add_argument("--killed", type=int, default=5_000)
    parser.add_argument("--workers", type=int, default=0, help="processes under Beam; 0: one a core")
    parser.add_argument("--json", default="benchmarks/results/beam_predict.json")
    args = parser.parse_args()
    beam = f"--beam_option=direct_num_workers={args.workers}"
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        write_pictures(place / "in", args.pictures)
        write_pictures(place / "few", args.killed)
        timed(command(place / "few", f"--out={place / 'warm.csv'}"))  # compiles, which is kept
        runs = {
            "one file": (place / "one.csv", [f"--out={place / 'one.csv'}"]),
            "parts": (place / "parts", [f"--parts={place / 'parts'}", f"--part_inputs={PART}"]),
            "parts, Apache Beam": (
                place / "beam",
                [f"--parts={place / 'beam'}", f"--part_inputs={PART}", beam],
            ),
        }
        table, answers = [], []
        for what, (output, flags) in runs.items():
            row = {"run": what, "pictures": args.pictures, **timed(command(place / "in", *flags))}
            row["pictures_per_second"] = args.pictures / row["seconds"]
            table.append(row)
            answers.append(rows(output))
            print(
                f"{what:20s} {row['seconds']:7.1f} s {row['pictures_per_second']:7.0f} pictures/s "
                f"{row['processor_seconds']:6.1f} processor seconds "
                f"{row['peak_memory_bytes'] / 2**20:6.0f} MiB",
                flush=True,
            )
        same = answers[0] == answers[1] == answers[2]
        print("the same sources, statuses and labels" if same else "the answers DIFFER", flush=True)
        kill = killed_and_resumed(place / "few", args.killed, place / "killed", beam)
        kill["answers_that_differ"] = len(set(rows(place / "killed")) ^ set(rows(place / "warm.csv")))
        print(f"killed and resumed, {args.killed} pictures: {kill}")
    killed = {"what": "killed and resumed", "pictures": args.killed, **kill}
    measure.record(
        "beam_predict", [*table, {"what": "same answers", "same": same}, killed], PACKAGES, args.json
    )
    if not same or kill["lost"] or kill["doubled"] or kill["answers_that_differ"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
