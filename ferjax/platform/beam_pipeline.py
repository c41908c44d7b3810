"""Apache Beam (an optional extra): how a pipeline is configured, on this machine or on a cluster."""

# Types are checked without Apache Beam:
# pyright: reportMissingImports=false

import contextlib
import logging
import shlex
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ferjax.errors import UserError


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps Beam from logging every cloud client that is missing, and every error several times.

    What goes wrong is raised as an exception, too.
    """
    logger = logging.getLogger("apache_beam")
    level, disabled = logger.level, logging.root.manager.disable
    logger.setLevel(logging.CRITICAL)
    logging.disable(max(disabled, logging.WARNING))
    try:
        yield
    finally:
        logging.disable(disabled)
        logger.setLevel(level)


try:
    with quiet():
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions, TypeOptions
        from apache_beam.runners.portability.fn_api_runner import FnApiRunner
        from apache_beam.transforms.environments import SubprocessSDKEnvironment
except ImportError as error:
    raise UserError(
        f"--beam needs Apache Beam ({error}): pip install 'ferjax[beam]', best into an environment of its own"
    ) from error

# The local runner starts a process for each core. Their log is thrown away, since errors reach this process
# as exceptions. They ignore Ctrl-C, because this process gets it too and ends them.
_WORKERS = {"direct_num_workers": "0"}
_WORKER = (
    "trap '' INT; "
    f"exec {shlex.quote(sys.executable)} -m apache_beam.runners.worker.sdk_worker_main 2>/dev/null"
)


def configuration(options: Mapping[str, str]) -> tuple[Any, PipelineOptions]:
    """Makes the runner and the options that `beam.Pipeline` takes.

    Args:
        options: of the pipeline, as Beam names them; without `runner` this machine's cores do the work.

    Raises:
        UserError: Beam knows no such option or runner, or the value is not valid.
    """
    local = "runner" not in options
    flags = {**(_WORKERS if local else {}), **options}
    try:
        with quiet():
            parsed = PipelineOptions([f"--{name}={value}" for name, value in flags.items()])
            known = parsed.get_all_options()
            runner = (
                FnApiRunner(SubprocessSDKEnvironment.from_command_string(_WORKER))
                if local
                else beam.runners.create_runner(options["runner"])
            )
    except SystemExit:  # argparse has printed what is wrong
        raise UserError("--beam_option cannot be used: see the line above") from None
    except (ValueError, ImportError, AttributeError) as error:
        raise UserError(f"--beam_option=runner={options.get('runner')}: {error}") from error
    if unknown := sorted(options.keys() - known.keys()):
        raise UserError(f"--beam_option: Apache Beam has no option {', '.join(unknown)}")
    # Inferred types of what passes between the stages would only be in the way.
    parsed.view_as(TypeOptions).pipeline_type_check = False
    return runner, parsed
