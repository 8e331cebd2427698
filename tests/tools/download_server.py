"""A local HTTP server that behaves as badly as it is told to, and archives of the real layouts."""

import hashlib
import io
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import soundfile

from after_ser.tools.download.config import Patience
from after_ser.tools.download.fetch import Fetcher


class Files(BaseHTTPRequestHandler):
    """Serves `server.files`; `server.faults[path]` is a list of faults, one for each request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        path = self.path.split("?")[0]
        wanted = self.headers.get("Range")
        self.server.asked.append((path, wanted))
        faults = self.server.faults.get(path, [])
        fault = faults.pop(0) if faults else None
        if isinstance(fault, int):
            return self._short(fault, {"Retry-After": "0"})
        if isinstance(fault, str) and fault.startswith("to:"):
            return self._short(302, {"Location": fault[3:]})
        if path not in self.server.files:
            return self._short(404, {})
        body = fault if isinstance(fault, bytes) else self.server.files[path]
        etag = f'"{hashlib.md5(body).hexdigest()}"' if self.server.validators else None
        start = 0
        if wanted and self.server.ranges:
            same = self.headers.get("If-Range") in (None, etag)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if same else 0
        if start and start >= len(body):
            return self._short(416, {"Content-Range": f"bytes */{len(body)}"})
        self.send_response(206 if start else 200)
        if start:
            shown = 0 if fault == "other range" else start
            self.send_header("Content-Range", f"bytes {shown}-{len(body) - 1}/{len(body)}")
        if etag:
            self.send_header("ETag", etag)
        if fault == "no length":
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if fault == "drop":
            self.wfile.write(body[start : start + max(1, len(body) // 3)])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return None
        self.wfile.write(body[start:])
        self.close_connection = self.close_connection or fault == "no length"
        return None

    def _short(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def serving(files, *, ranges=True, validators=True):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    server.daemon_threads = True
    server.files, server.faults, server.asked = files, {}, []
    server.ranges, server.validators = ranges, validators
    server.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fetcher(attempts=4):
    return Fetcher(Patience(attempts=attempts, first_s=0, longest_s=0, connect_s=5, read_s=5))


def clip(seed):
    """A tenth of a second of noise as a 16 kHz wav file."""
    held = io.BytesIO()
    noise = np.random.default_rng(seed).normal(0, 0.1, 1600)
    soundfile.write(held, noise, 16000, format="WAV", subtype="PCM_16")
    return held.getvalue()


def zipped(members):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return held.getvalue()


def tarred(members):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return held.getvalue()
