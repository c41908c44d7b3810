"""`python -m ferjax serve [--workdir=RUN]`: answers by HTTP what the faces of pictures show.

POST one or many pictures to /v1/predict; /docs describes everything and tries it. The network is the one
that ferjax ships; RUN may be a run or a bundle. Faces of different requests are computed together. When the
queue is full, requests are refused with 429; SIGTERM and ^C let those end that were taken.

Only this computer can ask, unless --host says otherwise; then a key is required, from --api_key_file or from
the environment variable FERJAX_API_KEY. Nothing is written to the disk but compiled programs and, beside
them, which engine is the faster one.
It needs pip install 'ferjax[serve]'.
"""

import os

from absl import flags

from ferjax.commands import framework
from ferjax.commands.chosen_network import chosen_network, crops_flag, engine_flag, workdir_flag
from ferjax.deploy import engines
from ferjax.deploy.faces import TILES, Detector
from ferjax.errors import UserError
from ferjax.inference.open_run import open_network
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb

_WORKDIR = workdir_flag()
_ENGINE = engine_flag()
_CROPS = crops_flag()
_HOST = flags.DEFINE_string(
    "host", "127.0.0.1", "The address to listen on; 0.0.0.0: every one of this computer, with a key."
)
_PORT = flags.DEFINE_integer("port", 8700, "The port; 0: any that is free.", 0, 65535)
_KEY_FILE = framework.path_flag(
    "api_key_file", "", "A file with the accepted keys, one a line, of 16 letters or more."
)
_CORS = flags.DEFINE_list("cors", [], "Origins whose web pages may ask, such as https://example.org.")
_UNSURE = flags.DEFINE_float(
    "unsure_below",
    None,
    "A face is unsure if its most likely class has less than this; the network's own threshold if not given; "
    "0: no face is.",
    0,
    1,
)
_SCORE = flags.DEFINE_float(
    "min_score", 0.6, "The lowest confidence at which the detector reports a face.", 0, 1
)
_TILES = flags.DEFINE_integer(
    "tiles", TILES, "How many tiles a large picture is searched in at most, for small faces; 0: none.", 0, 100
)
_MEGABYTES = flags.DEFINE_integer("max_megabytes", 32, "MiB of a request's body.", 1, 1024)
_FILES = flags.DEFINE_integer("max_files", 16, "Pictures of a request.", 1, 1000)
_PIXELS = flags.DEFINE_float("max_megapixels", 25.0, "Million pixels of a picture.", 0.01, 178)
_FACES = flags.DEFINE_integer("max_faces", 100, "Faces of a picture, the largest.", 1, 10_000)
_QUEUE = flags.DEFINE_integer(
    "queue", 128, "Pictures that are read, waited for or computed at once; more are refused with 429.", 1
)
_QUEUE_MEGABYTES = flags.DEFINE_integer("queue_megabytes", 256, "MiB of the requests that hold them.", 1)
_BATCH_WAIT = flags.DEFINE_float(
    "batch_wait_ms", 3.0, "Milliseconds that a face waits for others to be computed with.", 0, 1000
)
_BODY = flags.DEFINE_float("body_timeout", 30.0, "Seconds in which a request's body must arrive.", 0.1, 3600)
_ANSWER = flags.DEFINE_float("answer_timeout", 60.0, "Seconds after which an answer is given up.", 0.1, 3600)
_DRAIN = flags.DEFINE_integer("drain_timeout", 30, "Seconds in which requests end once it stops.", 1, 3600)


@verb("use", "answer by HTTP what the faces of pictures show")
def main(argv: list[str]) -> None:
    """Serves until it is told to stop.

    Raises:
        UserError: a package is missing, the port is in use, there is no such network, or a key is required.
    """
    framework.no_arguments(argv)
    if _FILES.value > _QUEUE.value or _MEGABYTES.value > _QUEUE_MEGABYTES.value:
        raise UserError(
            "no request of that size would fit: --max_files is above --queue, or --max_megabytes above "
            "--queue_megabytes"
        )
    try:
        from ferjax.serve import app, guard, keys, limits, logs, metrics, server, service
    except ImportError as error:
        raise UserError(f"serve needs the package {error.name}: pip install 'ferjax[serve]'") from error
    origins = guard.read_origins(_CORS.value)
    accepted = keys.read_keys(_KEY_FILE.value)
    if not accepted and _HOST.value not in guard.LOOPBACK:
        raise UserError(
            f"--host={_HOST.value} lets other computers ask, so a key is required: name --api_key_file, or "
            f"set the environment variable {keys.VARIABLE}"
        )
    bounds = limits.Limits(
        body_bytes=_MEGABYTES.value * limits.MIB,
        files=_FILES.value,
        pixels=round(_PIXELS.value * 1e6),
        faces=_FACES.value,
        queue=_QUEUE.value,
        queue_bytes=_QUEUE_MEGABYTES.value * limits.MIB,
        body_seconds=_BODY.value,
        answer_seconds=_ANSWER.value,
        drain_seconds=_DRAIN.value,
    )
    opened = server.listen(_HOST.value, _PORT.value)
    keep_compiled()
    network = open_network(chosen_network(_WORKDIR.value)).with_crops(_CROPS.value)
    classifier = engines.classifier(network, _ENGINE.value)
    numbers = metrics.Metrics()
    settings = service.Settings(
        detector=Detector(_SCORE.value, _TILES.value, _FACES.value + 1),
        most_faces=_FACES.value,
        pixels=bounds.pixels,
        unsure_below=classifier.unsure_below if _UNSURE.value is None else _UNSURE.value,
        batch_seconds=_BATCH_WAIT.value / 1000,
        threads=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    )
    logs.to_stderr()
    answering = service.Service(classifier, settings, numbers)
    answering.warm_up()
    what = f"{network.config.model.name}, {network.origin}"
    application = app.create_app(answering, numbers, bounds, what, accepted, origins)
    host, port = opened.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    line = f"serving {what} on http://{shown}:{port}, described at /docs; ^C ends it"
    server.run(application, opened, bounds, lambda: print(line, flush=True), answering.stop_taking)
    answering.close()
