"""The service of the shipped network, whose programs are compiled once."""

import dataclasses

import pytest

from ferjax import pretrained
from ferjax.deploy.faces import Detector
from ferjax.serve import app
from ferjax.serve.keys import Keys
from ferjax.serve.limits import Limits
from ferjax.serve.metrics import Metrics
from ferjax.serve.service import Service, Settings

MOST_FACES = 2


@pytest.fixture(scope="session")
def shipped(compiled):
    return dataclasses.replace(pretrained.load(), batches=(1, 4))


@pytest.fixture
def make_app(shipped):
    """Makes the application, and the service behind it as its attribute `service`."""
    services = []

    def make(limits=None, keys=(), origins=(), warm=True):
        limits, metrics = limits or Limits(files=4, pixels=1_000_000), Metrics()
        settings = Settings(
            Detector(tiles=0, most=MOST_FACES + 1), MOST_FACES, limits.pixels, shipped.unsure_below, 0.001, 2
        )
        service = Service(shipped, settings, metrics)
        services.append(service)
        if warm:
            service.warm_up()
        made = app.create_app(service, metrics, limits, "a network", Keys(keys), origins)
        made.service = service
        return made

    yield make
    for service in services:
        service.close()
