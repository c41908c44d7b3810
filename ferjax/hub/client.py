"""The client of a hub: huggingface_hub (an optional extra), and its errors in one line."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import ferjax
from ferjax.errors import UserError, foreign
from ferjax.hub.address import PUBLIC, Address


def open_client(endpoint: str) -> Any:
    """Returns a `huggingface_hub.HfApi`.

    Its token is the one that huggingface_hub finds: the environment variable HF_TOKEN, or the file that
    `hf auth login` wrote. ferjax takes none itself, so none lies in a shell's history or in a config.

    Args:
        endpoint: see `ferjax.hub.address.endpoint`.

    Raises:
        UserError: huggingface_hub is not installed.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if endpoint != PUBLIC:  # Xet storage is the public hub's own; every hub takes Git LFS
        os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars
    except ImportError as error:
        raise UserError(f"this needs huggingface_hub ({error}): pip install 'ferjax[hub]'") from error
    disable_progress_bars()
    return HfApi(endpoint=endpoint, library_name="ferjax", library_version=ferjax.__version__)


@contextlib.contextmanager
def describing_errors(address: Address, endpoint: str) -> Iterator[None]:
    """Turns what the hub answers, and what the network does, into UserErrors."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except (httpx2.TransportError, errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as error:
        raise UserError(f"{endpoint} cannot be reached: {foreign(error)}") from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{address.repo} on {endpoint} has no revision {address.revision!r}") from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"{endpoint} has no {address.repo}, or your token may not see it (HF_TOKEN, or hf auth login)"
        ) from error
    except errors.EntryNotFoundError as error:
        raise UserError(f"{address.repo} on {endpoint} is no bundle: {foreign(error)}") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise UserError(
                f"{endpoint} does not allow that for {address.repo} (status {status}): set HF_TOKEN to a "
                "token that may, or run hf auth login"
            ) from error
        raise UserError(f"{endpoint} answers with status {status}: {foreign(error)}") from error
    except (ValueError, KeyError, TypeError, RuntimeError) as error:  # an answer that is not of the protocol
        raise UserError(f"{endpoint} does not answer as a hub does: {foreign(error)}") from error
