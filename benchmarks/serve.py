"""The web service under load, against the same pictures predicted offline in batches, in turns.

    python -m benchmarks.serve [--seconds 60] [--clients 32] [--rounds 2] [--workdir RUN] [--json FILE]

Three kinds of requests: a photograph of 512×512 (its face is searched for), a face that is cut out, and a
form with 16 of these. Offline is `ferjax.deploy.predict` on the same files, in a process of its own. The
clients are threads of one more process on the same machine, each with a connection that stays open: what they
need of the processor is missing to the service. Counted are answers, refusals (429) and errors; memory is
that of the service's process after each tenth of the last requests.
"""

import http.client
import io
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from PIL import Image
from skimage import data as photographs

from benchmarks import command_line, measure
from benchmarks.subprocess_run import Apart

PACKAGES = ("jax", "jaxlib", "fastapi", "uvicorn", "httptools", "numpy", "pillow")
_FORM_FILES = 16
_QUEUE = 1024  # pictures: 32 clients with forms of 16 shall not be refused
_BOUNDARY = "a-boundary"


class Load(NamedTuple):
    """A kind of request: its path, headers and body, and how many pictures it holds."""

    name: str
    path: str
    kind: str
    body: bytes
    pictures: int


class Turn(NamedTuple):
    """What the clients saw: seconds of each answer, statuses, and the seconds of all."""

    latencies: list[float]
    statuses: Counter[str]
    seconds: float


def contents() -> tuple[bytes, bytes]:
    """A photograph as JPEG, and its face as PNG of 96×96."""
    image = Image.fromarray(photographs.astronaut())
    photograph, face = io.BytesIO(), io.BytesIO()
    image.save(photograph, "JPEG", quality=92)
    image.crop((165, 55, 285, 175)).resize((96, 96)).save(face, "PNG")
    return photograph.getvalue(), face.getvalue()


def loads() -> list[Load]:
    """The kinds of requests."""
    photograph, face = contents()
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'.encode()
    form = (head + face + b"\r\n") * _FORM_FILES + f"--{_BOUNDARY}--\r\n".encode()
    kind, cropped = f"multipart/form-data; boundary={_BOUNDARY}", "/v1/predict?cropped=true"
    return [
        Load("a photograph", "/v1/predict", "image/jpeg", photograph, 1),
        Load("a face", cropped, "image/png", face, 1),
        Load(f"{_FORM_FILES} faces", cropped, kind, form, _FORM_FILES),
    ]


def offline(workdir: str, content: bytes, suffix: str, count: int, cropped: bool) -> measure.Run:
    """Predicts so many files with the same content, as `ferjax predict` does."""
    from ferjax.deploy.faces import Detector
    from ferjax.deploy.predict import Options, predict
    from ferjax.inference import classifier
    from ferjax.inference.inputs import expand
    from ferjax.pretrained.places import locate

    folder = Path(tempfile.mkdtemp())
    for index in range(count):
        (folder / f"{index:05}.{suffix}").write_bytes(content)
    network = classifier.load(locate(workdir))
    options = Options(None if cropped else Detector())

    def run() -> None:
        assert sum(len(outcome.rows) for outcome in predict(expand([str(folder)]), network, options)) == count

    return run


def prepare() -> None:
    """What every command of ferjax does first."""
    from ferjax.platform import process
    from ferjax.platform.machine import keep_compiled

    process.prepare()
    keep_compiled()


def started(workdir: str) -> tuple[subprocess.Popen[str], int, float]:
    """The service's process, its port, and the seconds from its start to its first answer."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "ferjax", "serve", "--port=0", f"--queue={_QUEUE}"]
    command.append(f"--workdir={workdir}")
    log = tempfile.TemporaryFile()  # noqa: SIM115  (the service writes to it as long as it lives)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout
    found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
    assert found, "the service has not started"
    port = int(found[1])
    asked(port, loads()[0], 1, requests=1)
    return process, port, time.perf_counter() - began


def asked(port: int, load: Load, clients: int, seconds: float = 0.0, requests: int = 0) -> Turn:
    """Asks from so many threads, for so many seconds or so many requests each."""
    latencies: list[float] = []
    statuses: Counter[str] = Counter()
    lock, begin = threading.Lock(), threading.Barrier(clients + 1)
    headers = {"Content-Type": load.kind}
    end = time.perf_counter() + 3600

    def client() -> None:
        own: list[float] = []
        asked_so_far = 0
        seen: Counter[str] = Counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        begin.wait()
        while time.perf_counter() < end and not (requests and asked_so_far == requests):
            start = time.perf_counter()
            asked_so_far += 1
            try:
                connection.request("POST", load.path, load.body, headers)
                answer = connection.getresponse()
                answer.read()
                seen[str(answer.status)] += 1
                if answer.status == HTTPStatus.OK:
                    own.append(time.perf_counter() - start)
            except (OSError, http.client.HTTPException) as error:
                seen[type(error).__name__] += 1
                connection.close()
        connection.close()
        with lock:
            latencies.extend(own)
            statuses.update(seen)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    begin.wait()
    began = time.perf_counter()
    if seconds:
        end = began + seconds
    for thread in threads:
        thread.join()
    return Turn(latencies, statuses, time.perf_counter() - began)


def in_clients(turn: partial[Turn], _: measure.Run) -> Turn:
    """Runs a turn in the clients' process."""
    return turn()


def nothing() -> measure.Run:
    """The clients' process has nothing to prepare."""
    return lambda: None


def row_of(load: Load, turns: list[Turn], offline_seconds: list[float], count: int, clients: int) -> dict:
    """Throughput, its share of offline's, and latencies of a kind of request."""
    latencies = sorted(latency for turn in turns for latency in turn.latencies)
    statuses = sum((turn.statuses for turn in turns), Counter())
    served = statistics.median(turn.statuses["200"] * load.pictures / turn.seconds for turn in turns)
    alone = count / statistics.median(offline_seconds)
    row = {
        "what": load.name,
        "clients": clients,
        "requests": sum(statuses.values()),
        "pictures_per_second": served,
        "offline_pictures_per_second": alone,
        "share_of_offline": served / alone,
        "median_ms": 1e3 * statistics.median(latencies),
        "p99_ms": 1e3 * float(np.quantile(latencies, 0.99)),
        "statuses": dict(statuses),
    }
    row["p99_by_median"] = row["p99_ms"] / row["median_ms"]
    print(row, flush=True)
    return row


def memory(process: subprocess.Popen[str]) -> float:
    """MiB of the service's process."""
    return psutil.Process(process.pid).memory_info().rss / 2**20


def main() -> None:
    """Measures and prints."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of each kind of request, all rounds")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--faces", type=int, default=2000, help="that are predicted offline")
    parser.add_argument("--photographs", type=int, default=60, help="that are predicted offline")
    parser.add_argument("--requests", type=int, default=20_000, help="over which memory is watched")
    parser.add_argument("--workdir", default="faces")
    parser.add_argument("--json", default="benchmarks/results/serve.json")
    args = parser.parse_args()
    photograph, face = contents()
    alone = {
        "a photograph": (photograph, "jpg", args.photographs, False),
        "a face": (face, "png", args.faces, True),
    }
    clients = Apart(nothing)
    rows: list[dict] = []
    process, port, first_answer = started(args.workdir)
    rows.append({"what": "start to the first answer, a photograph", "seconds": first_answer})
    try:
        for load in loads():
            content, suffix, count, cropped = alone.get(load.name, alone["a face"])
            other = Apart(partial(offline, args.workdir, content, suffix, count, cropped), prepare)
            other()
            turns, seconds = [], []
            for _ in range(args.rounds):
                turn = partial(asked, port, load, args.clients, seconds=args.seconds / args.rounds)
                turns.append(clients.ask(partial(in_clients, turn)))
                began = time.perf_counter()
                other()
                seconds.append(time.perf_counter() - began)
            other.close()
            rows.append(row_of(load, turns, seconds, count, args.clients))
        if args.requests:
            each = max(1, args.requests // args.clients // 10)
            watched = []
            for _ in range(10):
                turn = partial(asked, port, loads()[1], args.clients, requests=each)
                clients.ask(partial(in_clients, turn))
                watched.append(memory(process))
            rows.append({"what": "MiB of the service after each tenth", "requests": 10 * each * args.clients,
                         "mib": watched, "growth": watched[-1] / watched[0] - 1})  # fmt: skip
            print(rows[-1])
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(120)
        clients.close()
    rows.append({"what": "exit code after SIGTERM", "code": code})
    measure.record("serve", rows, PACKAGES, args.json)


if __name__ == "__main__":
    os.environ.pop("FERJAX_API_KEY", None)
    main()
