"""A model hub on this machine that speaks the part of Hugging Face's protocol that push and pull need."""

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = ".safetensors"  # what goes by Git LFS
TOKEN = "hf_of_this_test"


class Hub(ThreadingHTTPServer):
    """Repositories in memory: name → commits (id → file → content) and branches (name → id)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos: dict[str, dict[str, dict[str, Any]]] = {}
        self.large: dict[str, bytes] = {}
        self.private: dict[str, bool] = {}
        self.requests: list[str] = []
        self.told_sizes: dict[str, int] = {}  # what the list of files says, instead of the truth

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, repo: str, branch: str, changes: dict[str, bytes]) -> str:
        """Makes a commit upon a branch; its id."""
        stored = self.repos.setdefault(repo, {"commits": {}, "branches": {}})
        files = {**stored["commits"].get(stored["branches"].get(branch), {}), **changes}
        digest = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        stored["commits"][digest], stored["branches"][branch] = files, digest
        return digest

    def files(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit that a revision leads to, and its files."""
        stored = self.repos.get(repo, {"commits": {}, "branches": {}})
        digest = stored["branches"].get(revision, revision)
        return (digest, stored["commits"][digest]) if digest in stored["commits"] else None


@contextlib.contextmanager
def serving() -> Iterator[Hub]:
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        parts = self._parts()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._json({"error": "who are you?"}, 401)
        if parts[:3] == ["api", "repos", "create"]:
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            self.server.private.setdefault(repo, asked.get("visibility") == "private")
            self.server.repos.setdefault(repo, {"commits": {}, "branches": {}})
            return self._json({"url": f"{self.server.endpoint}/{repo}", "name": repo, "id": repo})
        if parts[:2] == ["api", "validate-yaml"]:
            return self._json({"warnings": []})
        if parts[-3:] == ["lfs", "objects", "batch"]:
            return self._json({"objects": [self._upload(one) for one in json.loads(body)["objects"]]})
        repo = "/".join(parts[2:4])
        if repo not in self.server.repos:
            return self._missing("RepoNotFound")
        if parts[4] == "preupload":
            modes = [
                {"path": file["path"], "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                 "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]  # fmt: skip
            return self._json({"files": modes})
        changes = {}
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                changes[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                changes[value["path"]] = self.server.large[value["oid"]]
        commit = self.server.commit(repo, parts[5], changes)
        return self._json(
            {"commitUrl": f"{self.server.endpoint}/{repo}/commit/{commit}", "commitOid": commit}
        )

    def do_PUT(self) -> None:
        digest = self._parts()[-1]
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if hashlib.sha256(content).hexdigest() != digest:
            return self._json({"error": "another hash"}, 400)
        self.server.large[digest] = content
        return self._json({})

    def do_GET(self) -> None:
        parts = self._parts()
        if parts[:2] == ["api", "models"]:
            repo, revision = "/".join(parts[2:4]), parts[5] if len(parts) > 5 else "main"
            if repo not in self.server.repos:
                return self._missing("RepoNotFound")
            found = self.server.files(repo, revision)
            if found is None:
                return self._missing("RevisionNotFound")
            siblings = [
                {"rfilename": name, "size": self.server.told_sizes.get(name, len(content))}
                for name, content in found[1].items()
            ]
            return self._json({"id": repo, "sha": found[0], "siblings": siblings})
        repo, revision, name = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        found = self.server.files(repo, revision)
        if found is None or name not in found[1]:
            return self._missing("EntryNotFound")
        content = found[1][name]
        etag = hashlib.sha256(content).hexdigest()
        return self._send(200, content, {"X-Repo-Commit": found[0], "ETag": f'"{etag}"'})

    do_HEAD = do_GET

    def _upload(self, asked: dict[str, Any]) -> dict[str, Any]:
        href = f"{self.server.endpoint}/large/{asked['oid']}"
        return {**asked, "actions": {"upload": {"href": href, "header": {}}}}

    def _parts(self) -> list[str]:
        self.server.requests.append(f"{self.command} {self.path}")
        return [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]

    def _missing(self, code: str) -> None:
        self._json({"error": code}, 404, {"X-Error-Code": code})

    def _json(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(
            status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})}
        )

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
