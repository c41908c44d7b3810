"""Bundles go to a hub and come back the same; what a hub should not send is refused."""

import hashlib
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny
from fork_server import Forked
from model_hub import TOKEN, serving
from networks import trained_network
from PIL import Image

from ferjax.errors import UserError
from ferjax.hub import address
from ferjax.hub.address import Address
from ferjax.inference import bundle

pytest.importorskip("huggingface_hub", reason="huggingface_hub, an optional extra, is not installed")

REPO = "mylab/faces"
ADDRESS = Address(REPO)
FILES = {"weights.safetensors", "config.json", "network.json", "MODEL_CARD.md", "manifest.json"}


@pytest.fixture(autouse=True)
def _known(tiny_model):
    pass


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def network():
    with tiny.registered():
        return trained_network()


@pytest.fixture(scope="module")
def written(network, tmp_path_factory):
    """The folder and the .zip of a bundle, and the SHA-256 of its manifest."""
    place = tmp_path_factory.mktemp("written")
    digests = [bundle.write(network, "# Card\n", place / name) for name in ("bundle", "bundle.zip")]
    return place, digests[0]


@pytest.fixture
def pushed(hub, written):
    from ferjax.hub.push import push

    return push(written[0] / "bundle", ADDRESS, hub.endpoint, private=True, message="first")


def pull(hub, folder, where=ADDRESS, **options):
    from ferjax.hub import pull as pulls

    return pulls.pull(where, folder, hub.endpoint, **options)


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_a_bundle_comes_back_the_same(hub, written, network, tmp_path, name):
    from ferjax.hub.push import push

    done = push(written[0] / name, ADDRESS, hub.endpoint, private=True, message="first")
    assert done.manifest == written[1]
    assert hub.private == {REPO: True}
    assert len(hub.large) == 1  # the weights went by Git LFS
    result = pull(hub, tmp_path / "pulled", sha256=done.manifest)
    assert result == (done.commit, written[1])
    assert {path.name for path in (tmp_path / "pulled").iterdir()} == FILES
    read = bundle.read(tmp_path / "pulled")
    jax.tree.map(np.testing.assert_array_equal, read.variables, network.variables)


def test_the_page_is_the_card_with_what_a_hub_sorts_by(hub, pushed):
    page = hub.files(REPO, "main")[1]["README.md"].decode()
    head, _, card = page.removeprefix("---\n").partition("---\n\n")
    facts = {line.partition(": ")[0]: json.loads(line.partition(": ")[2]) for line in head.splitlines()}
    assert facts["library_name"] == "ferjax"
    assert "tiny" in facts["tags"]
    assert card == "# Card\n"


def test_an_older_commit_can_be_pulled(hub, pushed, tmp_path):
    later = hub.commit(REPO, "main", {"MODEL_CARD.md": b"changed"})
    assert later != pushed.commit
    assert pull(hub, tmp_path / "old", Address(REPO, pushed.commit)).commit == pushed.commit
    with pytest.raises(UserError, match=r"mylab/faces: MODEL_CARD\.md|MODEL_CARD\.md was changed"):
        pull(hub, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_only_the_files_of_a_bundle_are_fetched(hub, pushed, tmp_path):
    hub.commit(REPO, "main", {"evil.pkl": b"cos\nsystem", "pytorch_model.bin": b"x", "../out.txt": b"x"})
    hub.requests.clear()
    pull(hub, tmp_path / "in" / "pulled")
    fetched = {Path(request).name for request in hub.requests if "/resolve/" in request}
    assert fetched == FILES
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == FILES


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.json"}))
def test_a_file_whose_hash_differs_is_refused(hub, pushed, tmp_path, name):
    content = bytearray(hub.files(REPO, "main")[1][name])
    content[len(content) // 2] ^= 1
    hub.commit(REPO, "main", {name: bytes(content)})
    with pytest.raises(UserError, match=rf"mylab/faces/{name} was changed \(its SHA-256 is another\)"):
        pull(hub, tmp_path / "pulled")
    assert list(tmp_path.iterdir()) == []


def test_another_manifest_than_the_named_one_is_refused(hub, pushed, tmp_path):
    with pytest.raises(UserError, match=f"is {pushed.manifest}, not {'0' * 64}; do not trust it"):
        pull(hub, tmp_path / "pulled", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_that_names_paths_is_refused(hub, pushed, tmp_path):
    manifest = json.loads(hub.files(REPO, "main")[1]["manifest.json"])
    manifest["files"]["../../x"] = {"bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    hub.commit(REPO, "main", {"manifest.json": json.dumps(manifest).encode(), "../../x": b"x"})
    with pytest.raises(UserError, match=r"names '\.\./\.\./x', no file of a bundle; do not trust it"):
        pull(hub, tmp_path / "pulled")


@pytest.mark.parametrize(("name", "size"), [("weights.safetensors", 1 << 40), ("manifest.json", 1 << 21)])
def test_what_is_too_large_is_not_downloaded(hub, pushed, tmp_path, name, size):
    hub.told_sizes[name] = size
    hub.requests.clear()
    with pytest.raises(UserError, match=f"{name} has {size} bytes"):
        pull(hub, tmp_path / "pulled")
    assert not [request for request in hub.requests if request.endswith(name)]


def test_a_repository_without_a_bundle_is_told(hub, tmp_path):
    hub.commit(REPO, "main", {"model.bin": b"x"})
    with pytest.raises(UserError, match=r"is no bundle: it has no manifest\.json"):
        pull(hub, tmp_path / "pulled")


def test_what_the_hub_does_not_have_is_told(hub, pushed, tmp_path):
    with pytest.raises(UserError, match="has no mylab/nothing, or your token may not see it"):
        pull(hub, tmp_path / "pulled", Address("mylab/nothing"))
    with pytest.raises(UserError, match="has no revision 'v9'"):
        pull(hub, tmp_path / "pulled", Address(REPO, "v9"))


def test_a_wrong_token_is_told(hub, written, monkeypatch):
    from ferjax.hub.push import push

    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with pytest.raises(UserError, match=r"does not allow that for mylab/faces \(status 401\): set HF_TOKEN"):
        push(written[0] / "bundle", ADDRESS, hub.endpoint, private=True, message="first")
    assert not hub.repos


def test_a_hub_that_is_not_there_is_told(tmp_path):
    with serving() as server:
        pass  # its port is free again
    with pytest.raises(UserError, match="cannot be reached"):
        pull(server, tmp_path / "pulled")


def test_a_damaged_bundle_is_not_pushed(hub, written, tmp_path):
    from ferjax.hub.push import push

    spoilt = shutil.copytree(written[0] / "bundle", tmp_path / "bundle")
    tiny.flip(spoilt / "weights.safetensors")
    with pytest.raises(UserError, match=r"weights\.safetensors was changed"):
        push(spoilt, ADDRESS, hub.endpoint, private=True, message="first")
    assert not hub.requests


def test_a_pulled_commit_needs_no_network_again(hub, pushed, tmp_path, monkeypatch):
    from ferjax.hub.pull import cached

    monkeypatch.setenv("HOME", str(tmp_path))
    place = cached(ADDRESS, hub.endpoint)
    assert bundle.is_bundle(place)
    hub.requests.clear()
    assert cached(Address(REPO, pushed.commit), hub.endpoint) == place
    assert not hub.requests
    (place / "manifest.json").unlink()  # as if a disk had lost it
    with pytest.raises(UserError, match="is damaged; remove it"):
        cached(Address(REPO, pushed.commit), hub.endpoint)


@pytest.mark.parametrize(
    "text",
    [
        "faces",
        "a/b/c",
        "../faces",
        "a/..",
        "a/b@",
        "a/b@../x",
        "hf://",
        "hf:///a",
        "a/b@-x",
        "-a/b",
        "a/b c",
        "a/b@" + "v" * 300,
    ],
)
def test_wrong_names_are_refused(text):
    with pytest.raises(UserError, match="names no network of a hub"):
        address.parse(text)


@pytest.mark.parametrize(
    "text",
    ["ftp://a", "huggingface.co", "http://", "https://me:secret@hub", "http://hub:port", "https://a?b"],
)
def test_wrong_endpoints_are_refused(text):
    with pytest.raises(UserError, match="is no address of a hub"):
        address.endpoint(text)


def test_nothing_goes_unencrypted_to_another_machine(monkeypatch):
    for text in ("http://hub.mylab.org", "http://127.0.0.1.evil.org", "http://10.0.0.1:80"):
        with pytest.raises(UserError, match="unencrypted: use https"):
            address.endpoint(text)
    for text in ("http://127.0.0.1:80/", "http://localhost", "http://[::1]:80", "https://hub.mylab.org"):
        assert address.endpoint(text) == text.rstrip("/")
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.mylab.org/")
    assert address.endpoint("") == "https://hub.mylab.org"


@pytest.mark.slow
def test_the_commands_push_pull_and_predict(tiny_run, hub, written, tmp_path):
    Image.new("RGB", (20, 20), "red").save(tmp_path / "a.png")
    environment = {"HF_TOKEN": TOKEN, "HF_ENDPOINT": hub.endpoint, "HOME": str(tmp_path / "home")}

    def run(*arguments):
        with tiny.Command(Forked(tiny_run.server, list(map(str, arguments)), **environment)) as command:
            return command.finish(), command.text

    code, text = run("hub", "push", written[0] / "bundle", REPO)
    assert code == 0, text
    assert TOKEN not in text
    again = text.splitlines()[-1].partition("ferjax ")[2].replace("FOLDER", str(tmp_path / "pulled")).split()
    code, text = run(*again)
    assert code == 0, text
    rows = []
    for network in (f"hf://{REPO}", f"hf://{REPO}@main", tmp_path / "pulled"):
        code, text = run("predict", tmp_path / "a.png", "--cropped", f"--workdir={network}", "--format=jsonl")
        assert code == 0, text
        rows.append(next(line for line in text.splitlines() if line.startswith("{")))
    assert rows[0] == rows[1] == rows[2]
    code, text = run(*again)  # into the same folder
    assert (code, "is not empty" in text) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "hub takes push BUNDLE OWNER/NAME"),
        (["fetch", "a/b", "c"], "hub takes push BUNDLE OWNER/NAME"),
        (["pull", "b", "c"], "names no network of a hub"),
        (["pull", "a/b", "c", "--sha256=12"], "--sha256 takes 64 hexadecimal digits"),
        (["pull", "a/b", "c", "--endpoint=http://hub.org"], "use https"),
        (["push", "nowhere", "a/b"], "nowhere does not exist"),
        (["push", "faces", f"a/b@{'0' * 40}"], "a commit cannot be pushed to"),
    ],
)
def test_wrong_commands_are_one_line(shell, arguments, message):
    assert message in tiny.only_line(shell("hub", *arguments))
