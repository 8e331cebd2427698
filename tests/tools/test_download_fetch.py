"""Fetching one file from a server that drops connections, lies, and forgets ranges."""

import hashlib
import random

import pytest

from after_ser.core.errors import InputError
from after_ser.tools.download.fetch import Expected, NotThereError
from tests.tools.download_server import fetcher, serving

BODY = random.Random(0).randbytes(300_000)
SHA = hashlib.sha256(BODY).hexdigest()
KNOWN = Expected(sha256=SHA, bytes=len(BODY))
PATH = "/corpus.zip"


@pytest.fixture
def server():
    with serving({PATH: BODY}) as running:
        yield running


def get(server, folder, expected=KNOWN, attempts=4, path=PATH):
    return fetcher(attempts).fetch([server.base + path], folder / "corpus.zip", expected)


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_dropped_connection_goes_on_where_it_stopped(server, tmp_path):
    server.faults[PATH] = ["drop", "drop"]
    received = get(server, tmp_path)
    assert (tmp_path / "corpus.zip").read_bytes() == BODY and received.sha256 == SHA
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100000-", "bytes=200000-"]
    assert left(tmp_path) == ["corpus.zip"]


def test_a_new_call_takes_up_what_an_old_one_left(server, tmp_path):
    server.faults[PATH] = ["drop", 503]
    with pytest.raises(InputError, match="HTTP 503"):
        get(server, tmp_path, attempts=1)
    assert ".corpus.zip.part" in left(tmp_path) and "corpus.zip" not in left(tmp_path)
    server.asked.clear()
    get(server, tmp_path)
    assert server.asked == [(PATH, "bytes=100000-")]
    assert left(tmp_path) == ["corpus.zip"]


def test_a_server_without_ranges_begins_anew(tmp_path):
    with serving({PATH: BODY}, ranges=False) as server:
        server.faults[PATH] = ["drop"]
        get(server, tmp_path)
    assert (tmp_path / "corpus.zip").read_bytes() == BODY


def test_an_answer_that_continues_something_else_is_not_appended(server, tmp_path):
    server.faults[PATH] = ["drop", "other range"]
    get(server, tmp_path)
    assert (tmp_path / "corpus.zip").read_bytes() == BODY


@pytest.mark.parametrize("wrong", [BODY[:-1] + b"?", BODY[:-1], BODY + b"?", b""])
def test_wrong_bytes_are_refused_and_not_left(server, tmp_path, wrong):
    server.files[PATH] = wrong
    with pytest.raises(InputError, match="wrong bytes.*expected") as caught:
        get(server, tmp_path)
    assert left(tmp_path) == [] and "\n" not in str(caught.value)
    with pytest.raises(InputError, match="MD5 .*; expected"):
        get(server, tmp_path, Expected(md5=hashlib.md5(BODY).hexdigest()))
    assert left(tmp_path) == []


def test_a_beginning_of_other_bytes_is_thrown_away(server, tmp_path):
    (tmp_path / ".corpus.zip.part").write_bytes(b"x" * 1000)
    get(server, tmp_path)
    assert (tmp_path / "corpus.zip").read_bytes() == BODY


def test_without_a_checksum_only_the_same_file_is_continued(server, tmp_path):
    server.faults[PATH] = ["drop"]
    unknown = Expected()
    server.files["/new"] = b"n" + BODY[1:]
    with pytest.raises(InputError):
        server.faults[PATH].append(503)
        get(server, tmp_path, unknown, attempts=1)
    server.files[PATH] = server.files["/new"]  # replaced on the server meanwhile
    get(server, tmp_path, unknown)
    assert (tmp_path / "corpus.zip").read_bytes() == server.files["/new"]
    with serving({PATH: BODY}, validators=False) as other:
        (tmp_path / ".corpus.zip.part").write_bytes(b"x" * 1000)
        get(other, tmp_path, unknown)
        assert other.asked == [(PATH, None)], "nothing says that the rest is of the same file"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_errors_are_tried_again(server, tmp_path, status):
    server.faults[PATH] = [status, status]
    get(server, tmp_path)
    assert len(server.asked) == 3


def test_pauses_grow_and_end(server, tmp_path, monkeypatch):
    from after_ser.tools.download.config import Patience
    from after_ser.tools.download.fetch import Fetcher

    pauses = []
    patient = Fetcher(Patience(attempts=5, first_s=1, longest_s=6), sleep=pauses.append)
    server.faults[PATH] = [503] * 9
    with pytest.raises(InputError, match=r"HTTP 503 .*\(5 attempts\)"):
        patient.fetch([server.base + PATH], tmp_path / "corpus.zip", KNOWN)
    assert pauses == [2, 4, 6, 6]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_lasting_errors_are_not(server, tmp_path, status):
    server.faults[PATH] = [status]
    kind = NotThereError if status in (404, 410) else InputError
    with pytest.raises(kind, match=f"HTTP {status}") as caught:
        get(server, tmp_path)
    assert len(server.asked) == 1 and type(caught.value) is kind


def test_the_next_address_is_used_where_one_fails(server, tmp_path):
    server.files["/mirror.zip"] = BODY
    server.files[PATH] = b"not it"
    urls = [server.base + path for path in ("/gone.zip", PATH, "/mirror.zip")]
    received = fetcher().fetch(urls, tmp_path / "corpus.zip", KNOWN)
    assert received.url.endswith("/mirror.zip")


def test_a_server_that_cannot_be_reached(tmp_path):
    with serving({}) as server:
        base = server.base
    with pytest.raises(InputError, match="cannot be had.*attempts"):
        fetcher(2).fetch([f"{base}{PATH}"], tmp_path / "corpus.zip", KNOWN)
    assert left(tmp_path) == []


def test_a_cut_off_body_of_unknown_length_is_not_trusted(server, tmp_path):
    server.faults[PATH] = ["no length"]
    with pytest.raises(InputError, match="does not say how long"):
        get(server, tmp_path, Expected())
    server.faults[PATH] = ["no length"]
    get(server, tmp_path)  # a checksum says that it is whole


def test_a_file_of_unknown_size_is_bounded(server, tmp_path):
    with pytest.raises(InputError, match="expected at most 1000"):
        get(server, tmp_path, Expected(most_bytes=1000))
    server.faults[PATH] = ["no length"]
    with pytest.raises(InputError, match="more than the expected 1000"):
        get(server, tmp_path, Expected(sha256=SHA, most_bytes=1000))
    assert left(tmp_path) == []


def test_a_secure_address_may_not_lead_to_an_insecure_one(server, tmp_path):
    from types import SimpleNamespace

    from after_ser.tools.download.fetch import _check_answer, _LastingError

    answer = SimpleNamespace(
        url="http://there/x", history=[], status_code=200, reason="", headers={}
    )
    with pytest.raises(_LastingError, match="from https to http"):
        _check_answer("https://here/x", answer)
    server.faults[PATH] = [f"to:{server.base}/other"]
    server.files["/other"] = BODY
    get(server, tmp_path)  # among addresses of one kind it may
