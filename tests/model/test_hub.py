"""Fetching a pinned revision from a hub: a local server with the hub's addresses."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from safetensors.numpy import save

REVISION = "2dcc7b7fd5a4e1b1c8e3c1f8a5f1a5e9d1c0b3a2"
FILES = {
    "config.json": json.dumps({"model_type": "wav2vec2"}).encode(),
    "preprocessor_config.json": json.dumps({"sampling_rate": 16_000}).encode(),
    "model.safetensors": save({"a": np.zeros((2, 3), dtype=np.float32)}, {"format": "pt"}),
    "README.md": b"not wanted",
}


class Hub(BaseHTTPRequestHandler):
    """Answers /{repo}/resolve/{revision}/{file} as the hub does, and notes what was asked."""

    asked: list[str] = []

    def do_HEAD(self):  # noqa: N802
        self.answer(body=False)

    def do_GET(self):  # noqa: N802
        self.answer(body=True)

    def answer(self, body):
        prefix = f"/some/model/resolve/{REVISION}/"
        name = self.path.removeprefix(prefix)
        if body:
            self.asked.append(name)
        if not self.path.startswith(prefix) or name not in FILES:
            known = self.path.startswith("/some/model/")
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
            self.send_header("X-Repo-Commit", REVISION)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = FILES[name]
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def hub():
    Hub.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetch(endpoint, repo, out, home, **more):
    """Run it in a process of its own, since the hub's client reads the environment once."""
    code = (
        "import sys\n"
        "from after_ser.model.materialise import materialise_hub\n"
        "from after_ser.core.errors import InputError\n"
        "try:\n"
        "    materialise_hub(sys.argv[1], sys.argv[2], sys.argv[3])\n"
        "except InputError as error:\n"
        "    sys.exit(str(error))\n"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    environment |= {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        **more,
    }
    return subprocess.run(
        [sys.executable, "-c", code, repo, REVISION, str(out)],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_only_what_is_needed_is_fetched_and_the_cache_serves_offline(hub, tmp_path):
    done = fetch(hub, "some/model", tmp_path / "out", tmp_path / "home")
    assert done.returncode == 0, done.stderr
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        assert (tmp_path / "out" / name).read_bytes() == FILES[name]
    assert "README.md" not in Hub.asked
    origin = json.loads((tmp_path / "out" / "origin.json").read_text())
    assert origin == {
        "kind": "hub",
        "source": "some/model",
        "revision": REVISION,
        "parameters": 6,
        "sha256": hashlib.sha256(FILES["model.safetensors"]).hexdigest(),
    }
    unreachable = "http://127.0.0.1:9"
    again = fetch(unreachable, "some/model", tmp_path / "again", tmp_path / "home")
    assert again.returncode == 0, again.stderr


def test_an_unreachable_hub_says_what_to_do_instead(tmp_path):
    # offline mode, because the client tries a refused connection again for 20 s
    home = tmp_path / "home"
    done = fetch("http://127.0.0.1:9", "some/model", tmp_path / "out", home, HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "folder: path" in done.stderr and "scratch: {" in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("backbone: cannot fetch config.json")
    assert not (tmp_path / "out").exists()


def test_an_unknown_repository_is_named(hub, tmp_path):
    done = fetch(hub, "no/such", tmp_path / "out", tmp_path / "home")
    assert done.returncode == 1
    assert "no/such" in done.stderr
