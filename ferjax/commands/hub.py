"""`python -m ferjax hub push BUNDLE OWNER/NAME`, `hub pull OWNER/NAME FOLDER`: bundles on a model hub.

push  sends a bundle that `python -m ferjax export` wrote, with its model card as the repository's page
pull  fetches one into a new folder, and checks the size and hash of every file; nothing else is fetched

OWNER/NAME may have @REVISION at its end: a branch, to pull also a tag or a commit. The hub is Hugging Face's,
or that of --endpoint or HF_ENDPOINT. The token is that of the environment variable HF_TOKEN, or of the file
that `hf auth login` wrote. predict, explain, export and demo take --workdir=hf://OWNER/NAME[@REVISION].
"""

import re

from absl import flags

from ferjax.errors import UserError
from ferjax.files import user_path
from ferjax.hub import address as addresses
from ferjax.pretrained.places import locate
from ferjax.registry import verb
from ferjax.runs.weights import check_new

_ENDPOINT = flags.DEFINE_string("endpoint", "", "The hub; HF_ENDPOINT or Hugging Face's own if empty.")
_PRIVATE = flags.DEFINE_bool("private", True, "push: a new repository is seen by its owner only.")
_MESSAGE = flags.DEFINE_string("message", "Bundle of ferjax", "push: what the commit is called.")
_SHA256 = flags.DEFINE_string(
    "sha256", "", "pull: the SHA-256 that the bundle's manifest must have, as export and push tell it."
)


@verb("use", "push a bundle to a model hub, or pull one")
def main(argv: list[str]) -> None:
    """Pushes or pulls.

    Raises:
        UserError: the arguments are wrong, or the hub refuses.
    """
    if len(argv) != 4 or argv[1] not in ("push", "pull"):
        raise UserError("hub takes push BUNDLE OWNER/NAME, or pull OWNER/NAME FOLDER")
    endpoint = addresses.endpoint(_ENDPOINT.value)
    if argv[1] == "push":
        _push(argv[2], argv[3], endpoint)
    else:
        _pull(argv[2], argv[3], endpoint)


def _push(bundle: str, repo: str, endpoint: str) -> None:
    from ferjax.hub.push import push

    address = addresses.parse(repo)
    if address.pinned:
        raise UserError("a commit cannot be pushed to: name a branch")
    if not _MESSAGE.value.strip():
        raise UserError("--message is empty; say what the commit is called")
    done = push(locate(bundle), address, endpoint, private=_PRIVATE.value, message=_MESSAGE.value)
    print(f"{done.url}\nSHA-256 of its manifest.json {done.manifest}")
    print(f"pull it with: ferjax hub pull {address.repo}@{done.commit} FOLDER --sha256={done.manifest}")


def _pull(repo: str, folder: str, endpoint: str) -> None:
    from ferjax.hub.pull import pull

    if _SHA256.value and not re.fullmatch("[0-9a-fA-F]{64}", _SHA256.value):
        raise UserError("--sha256 takes 64 hexadecimal digits")
    address, place = addresses.parse(repo), user_path(folder)
    check_new(place)
    done = pull(address, place, endpoint, _SHA256.value)
    print(f"{place}: {address.repo} at {done.commit}\nSHA-256 of its manifest.json {done.manifest}")
