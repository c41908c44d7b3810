"""The static page (`ferjax export --formats=web`) in Chromium: its first answer, and frames a second.

The page is opened from the disk, each time by a browser of its own: seconds from the navigation until it is
ready, and from a photograph of 512×512 with one face until its answer is shown. For the camera, Chromium
shows the page a video of 640×480 with the same face; the browser is kept to one core. The machine may be
busy: beside the wall clock the seconds of the processor are told, of all the browser's processes, and for
the camera of the page's own thread.

    PYTHONPATH=tests python -m benchmarks.web_page [--onnxruntime_web=FILE] [--rounds=5]
"""

import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from browser import Browser
from PIL import Image
from skimage import data as photographs

from benchmarks import command_line, measure
from ferjax.inference.open_run import open_network
from ferjax.pretrained import places
from ferjax.web import folder, runtime

PACKAGES = ("jax", "numpy", "onnx", "onnxruntime")
SIZE = (640, 480)  # of the camera's pictures
WARM, FRAMES = 20, 60
READY = "Drop a picture, or use the camera."
_COUNT = """(() => {
  const answer = Answers.ofFaces;
  self.frames = [];
  Answers.ofFaces = async (...all) => {
    const looks = await answer(...all);
    frames.push(looks.length);
    return looks;
  };
})()"""


def processor_seconds(pid: int) -> float:
    """Seconds that a process and its children have computed."""
    total = 0.0
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        times = process.cpu_times()
        total += times.user + times.system
    return total


def page_seconds(pid: int) -> float:
    """Seconds that the threads of pages have computed: their scripts, WebAssembly and drawing."""
    total = 0.0
    for process in psutil.Process(pid).children(recursive=True):
        if "--type=renderer" in process.cmdline():
            main = next(thread for thread in process.threads() if thread.id == process.pid)
            total += main.user_time + main.system_time
    return total


def first_answer(page: Path, photograph: Path, scratch: Path) -> dict[str, float]:
    """Opens the page and gives it a photograph."""
    with Browser(scratch) as browser:
        before = processor_seconds(browser.pid)
        browser.open((page / folder.INDEX).as_uri())
        browser.wait_for(READY)
        ready = browser.run("performance.getEntriesByName('ready')[0].startTime") / 1000
        start = time.perf_counter()
        browser.give("#file", photograph)
        browser.wait("performance.getEntriesByName('answered').length")
        answered = time.perf_counter() - start
        return {
            "ready_seconds": ready,
            "answer_seconds": answered,
            "processor_seconds": processor_seconds(browser.pid) - before,
        }


def frames(browser: Browser, most: int) -> list[int]:
    """Waits until the page has computed so many frames, or more: how many faces each had."""
    start = browser.run("frames.length")
    while browser.run("frames.length") < start + most:
        time.sleep(0.05)
    return browser.run(f"frames.slice({start})")


def camera(page: Path, video: Path, scratch: Path) -> dict[str, float]:
    """Lets the page use a camera on one core; frames that show no face are an error."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        with Browser(scratch, f"--use-file-for-fake-video-capture={video}") as browser:
            browser.open((page / folder.INDEX).as_uri())
            browser.wait_for(READY)
            browser.run(_COUNT)
            browser.click("#camera")
            frames(browser, WARM)
            before, start = page_seconds(browser.pid), time.perf_counter()
            faces = frames(browser, FRAMES)
            seconds, computed = time.perf_counter() - start, page_seconds(browser.pid) - before
    finally:
        os.sched_setaffinity(0, allowed)
    if set(faces) != {1}:
        raise RuntimeError(f"the camera shows one face, and the page found {faces}")
    return {
        "frames_per_second": len(faces) / seconds,
        "frames_per_processor_second": len(faces) / computed,
    }


def write_video(image: np.ndarray, path: Path) -> None:
    """Writes two equal frames as YUV4MPEG, which Chromium repeats as if they came from a camera."""
    picture = Image.new("RGB", SIZE, (120, 120, 120))
    picture.paste(Image.fromarray(image[:480]), (64, 0))
    light, blue, red = picture.convert("YCbCr").split()
    half = (SIZE[0] // 2, SIZE[1] // 2)
    frame = b"FRAME\n" + light.tobytes() + blue.resize(half).tobytes() + red.resize(half).tobytes()
    path.write_bytes(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F30:1 Ip A1:1 C420jpeg\n".encode() + 2 * frame)


def main() -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--onnxruntime_web", help="as for ferjax export")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", default="benchmarks/results/web_page.json")
    arguments = parser.parse_args()
    engine = runtime.read(arguments.onnxruntime_web)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        page, photograph, video = scratch / "web", scratch / "photograph.png", scratch / "camera.y4m"
        folder.write(open_network(places.shipped(places.DEFAULT)), "", page, engine)
        Image.fromarray(photographs.astronaut()).save(photograph)
        write_video(photographs.astronaut(), video)
        about = {
            "onnxruntime_web": engine.version,
            "page_bytes": sum(file.stat().st_size for file in page.iterdir()),
        }
        rows = []
        for number in range(arguments.rounds):
            first = first_answer(page, photograph, scratch / f"first{number}")
            filmed = camera(page, video, scratch / f"camera{number}")
            rows.append(about | first | filmed | {"busy_processes": os.getloadavg()[0]})
            print(json.dumps(rows[-1]), flush=True)
    measure.record("web_page", rows, PACKAGES, arguments.json)


if __name__ == "__main__":
    main()
