"""Counts what the service does, for Prometheus."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_FACES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The counters of one service. Routes are labels, paths never: a client chooses those."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter("ferjax_requests", "Requests.", ("route", "status"), registry=self._registry)
        self._seconds = Histogram(
            "ferjax_request_seconds",
            "Seconds from a request's headers to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._pictures = Counter("ferjax_pictures", "Pictures.", ("status",), registry=self._registry)
        self._faces = Counter("ferjax_faces", "Faces that were answered for.", registry=self._registry)
        self._batches = Histogram(
            "ferjax_batch_faces",
            "Faces that were computed together.",
            buckets=_FACES,
            registry=self._registry,
        )
        self._computing = Histogram(
            "ferjax_batch_seconds",
            "Seconds in which the network computed a batch.",
            buckets=_SECONDS,
            registry=self._registry,
        )

    def watch(self, name: str, help: str, value: Callable[[], float]) -> None:
        """Adds a number that is read when the metrics are."""
        Gauge(name, help, registry=self._registry).set_function(value)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def picture(self, status: str, faces: int) -> None:
        """Counts a picture, with one of the states of `ferjax.deploy.output_rows`, and its faces."""
        self._pictures.labels(status).inc()
        self._faces.inc(faces)

    def batch(self, faces: int, seconds: float) -> None:
        """Counts a batch of the network."""
        self._batches.observe(faces)
        self._computing.observe(seconds)

    def text(self) -> bytes:
        """Returns all numbers in Prometheus's text format."""
        return generate_latest(self._registry)
