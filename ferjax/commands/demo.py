"""`python -m ferjax demo --workdir=RUN`: a page here to try a network with pictures or the camera.

It shows the faces of a picture, what the network says of each, and where it looked. RUN may be a bundle. The
page is to be had from this computer only; ^C ends it. It needs pip install 'ferjax[demo]'.
"""

import os
import socket
import sys
from pathlib import Path

from absl import flags

from ferjax import demo
from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.registry import verb

_WORKDIR = flags.DEFINE_string("workdir", None, "The run's folder, or a bundle.", required=True)
_PORT = flags.DEFINE_integer(
    "port", 8501, "Of the page; 0: any that is free.", lower_bound=0, upper_bound=65535
)

_HOST = "127.0.0.1"
_SETTINGS = (
    f"server.address={_HOST}",  # nobody else on the network,
    f"server.allowedHosts={_HOST}",  # nor a page elsewhere that calls this address its own
    "server.allowedHosts=localhost",
    "server.headless=true",  # asks for no e-mail address
    "server.fileWatcherType=none",
    "server.maxUploadSize=64",  # MB
    "browser.gatherUsageStats=false",
    "client.toolbarMode=minimal",
    "client.showErrorDetails=none",
)


@verb("use", "open a local page to try a network with pictures or the camera")
def main(argv: list[str]) -> None:
    """Becomes the page's server."""
    framework.no_arguments(argv)
    try:
        import streamlit  # noqa: F401
    except ImportError as error:
        raise UserError(f"demo needs the package {error.name}: pip install 'ferjax[demo]'") from error
    from ferjax.inference.open_run import open_network

    workdir = Path(_WORKDIR.value).expanduser().resolve()
    open_network(workdir)  # what is wrong with it is told here, not on a page
    page = Path(demo.__file__).with_name("page.py")
    options = [f"--{setting}" for setting in (*_SETTINGS, f"server.port={_free_port(_PORT.value)}")]
    sys.stdout.flush()
    os.execv(
        sys.executable, [sys.executable, "-m", "streamlit", "run", str(page), *options, "--", str(workdir)]
    )


def _free_port(port: int) -> int:
    """The port, or any that is free instead of 0.

    Raises:
        UserError: another program has it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise UserError(f"port {port} cannot be used ({error.strerror}); name another --port") from error
        return probe.getsockname()[1]
