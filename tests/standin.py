"""A stand-in for the hub on the loopback: it serves and takes models with the requests that `huggingface_hub` makes."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

Files = dict[str, bytes]


class Hub:
    """Repositories by name, each with its files by revision; `asked` are the requests so far."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Files]] = {}
        self.gated: set[str] = set()
        self.asked: list[str] = []
        self.url = ""

    def put(self, name: str, folder: Path, revision: str = "main", **more: bytes | None) -> str:
        """Serve the files of a folder, with these in place of its own (None: without); return the commit."""
        files = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()} | more
        files = {name: data for name, data in files.items() if data is not None}
        self.models.setdefault(name, {}).update({revision: files, commit(files): files})
        return commit(files)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Return status, content and headers."""
        parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]
        if parts == ["api", "validate-yaml"]:
            return _json({"errors": [], "warnings": []})
        if parts == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = "/".join(filter(None, [asked.get("organization"), asked["name"]]))
            if name in self.models:
                return _json({"url": f"{self.url}/{name}"}, 409)
            self.models[name] = {"main": {".gitattributes": b""}}
            return _json({"url": f"{self.url}/{name}", "name": name})
        parts = parts[2:] if parts[:2] == ["api", "models"] else parts
        name, (what, revision, *place) = "/".join(parts[:2]), parts[2:] or ["revision", "main"]
        if name not in self.models:
            return 404, b"", {"X-Error-Code": "RepoNotFound"}
        if name in self.gated:
            return 403, b"", {"X-Error-Code": "GatedRepo"}
        if (files := self.models[name].get(revision)) is None:
            return 404, b"", {"X-Error-Code": "RevisionNotFound"}
        if what == "revision":
            return _json({"id": name, "sha": commit(files), "siblings": [{"rfilename": file} for file in files]})
        if what == "tree":
            tree = [{"type": "file", "path": f, "size": len(data), "oid": oid(data)} for f, data in files.items()]
            return _json(tree)
        if what == "preupload":
            names = [file["path"] for file in json.loads(body)["files"]]
            return _json({"files": [{"path": f, "uploadMode": "regular", "shouldIgnore": False} for f in names]})
        if what == "commit":
            lines = [json.loads(line) for line in body.splitlines()]
            added = {x["value"]["path"]: base64.b64decode(x["value"]["content"]) for x in lines if x["key"] == "file"}
            sha = commit(files | added)
            self.models[name] |= {"main": files | added, sha: files | added}
            return _json({"commitUrl": f"{self.url}/{name}/commit/{sha}", "commitOid": sha, "success": True})
        assert what == "resolve", path
        data = files["/".join(place)]
        return 200, data, {"ETag": f'"{oid(data)}"', "X-Repo-Commit": commit(files)}


def oid(data: bytes) -> str:
    """The name of a content."""
    return hashlib.sha1(data).hexdigest()


def commit(files: Files) -> str:
    """The name of a set of files."""
    return oid(json.dumps({name: oid(data) for name, data in sorted(files.items())}).encode())


def _json(value: Any, status: int = 200) -> tuple[int, bytes, dict[str, str]]:
    return status, json.dumps(value).encode(), {"Content-Type": "application/json"}


@contextmanager
def serving() -> Iterator[Hub]:
    """A stand-in that runs until the block ends."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, data, headers = hub.answer(self.command, self.path, body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_HEAD = do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def connect(monkeypatch: pytest.MonkeyPatch, url: str, cache: Path, offline: bool = False) -> None:
    """Let `huggingface_hub` of this process talk to `url` and keep its cache in a folder."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name, value in {
        "ENDPOINT": url,
        "HUGGINGFACE_CO_URL_TEMPLATE": url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": offline,
        "HF_TOKEN_PATH": str(cache / "token"),
    }.items():
        assert hasattr(constants, name)
        monkeypatch.setattr(constants, name, value)
