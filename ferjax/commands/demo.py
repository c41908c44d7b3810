"""`python -m ferjax demo [--workdir=RUN]`: serves a local page to try a network with pictures or the camera.

The page shows the faces of a picture, the probabilities of each, and where the network looked. RUN may be a
bundle; without it the network is the one that ferjax ships. Only this computer can open the page; ^C ends it.
It needs pip install 'ferjax[demo]'.
"""

import os
import socket
import sys
from pathlib import Path

from absl import flags

from ferjax import demo
from ferjax.commands import framework
from ferjax.commands.chosen_network import chosen_network, engine_flag, workdir_flag
from ferjax.errors import UserError
from ferjax.registry import verb

_WORKDIR = workdir_flag()
_ENGINE = engine_flag()
_PORT = flags.DEFINE_integer(
    "port", 8501, "The page's port; 0: any that is free.", lower_bound=0, upper_bound=65535
)

_HOST = "127.0.0.1"
_SETTINGS = (
    f"server.address={_HOST}",  # keeps out other computers; ferjax/demo/server.py keeps out other host names
    "server.headless=true",  # asks for no e-mail address
    "server.fileWatcherType=none",
    "server.maxUploadSize=64",  # MB
    "browser.gatherUsageStats=false",
    "client.toolbarMode=minimal",
    "client.showErrorDetails=none",
)


@verb("use", "open a local page to try a network with pictures or the camera")
def main(argv: list[str]) -> None:
    """Replaces this process by the page's server."""
    framework.no_arguments(argv)
    try:
        import streamlit  # noqa: F401
    except ImportError as error:
        raise UserError(f"demo needs the package {error.name}: pip install 'ferjax[demo]'") from error
    from ferjax.deploy import engines
    from ferjax.inference.open_run import open_network
    from ferjax.platform.machine import keep_compiled

    workdir = chosen_network(_WORKDIR.value).resolve()
    network = open_network(workdir)  # an error appears here, and not on the page
    if _ENGINE.value == engines.ONNXRUNTIME:
        keep_compiled()
        engines.classifier(network, _ENGINE.value)
    page = Path(demo.__file__).with_name("server.py")
    options = [f"--{setting}" for setting in (*_SETTINGS, f"server.port={_free_port(_PORT.value)}")]
    sys.stdout.flush()
    command = ["-m", "ferjax.demo.run", "run", str(page), *options, "--", str(workdir), _ENGINE.value]
    os.execv(sys.executable, [sys.executable, *command])


def _free_port(port: int) -> int:
    """Returns the port, or any free one for 0.

    Raises:
        UserError: another program uses it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise UserError(f"port {port} cannot be used ({error.strerror}); name another --port") from error
        return probe.getsockname()[1]
