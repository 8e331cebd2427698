"""Archives made to harm: nothing outside the folder, no links, no bombs, one line each."""

import io
import struct
import tarfile
import zipfile

import pytest

from after_ser.core.errors import InputError
from after_ser.tools.download.unpack import Limits, unpack
from tests.tools.download_server import tarred, zipped

OUTSIDE = ["../evil", "a/../../evil", "/tmp/evil", "a\\..\\evil", "C:evil", "..", "a/.."]


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def refused(path, match, limits=None):
    target = path.parent / "out"
    with pytest.raises(InputError, match=match) as caught:
        unpack(path, target, limits)
    assert "\n" not in str(caught.value)
    inside = {p for p in path.parent.rglob("*") if p.is_symlink() or "evil" in p.name}
    assert not inside, "nothing of it is written"


def tar_of(tmp_path, *infos, content=b""):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for info in infos:
            archive.addfile(info, io.BytesIO(content[: info.size]))
    return written(tmp_path, "some.tar.gz", held.getvalue())


def member(name, kind=tarfile.REGTYPE, **more):
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


def test_good_archives_are_unpacked(tmp_path):
    members = {"top/a.wav": b"1" * 5000, "top/deep/b.wav": b"2", "é.txt": b"3"}
    for name, made in (("x.zip", zipped(members)), ("x.tar.gz", tarred(members))):
        target = tmp_path / f"out-{name}"
        unpack(written(tmp_path, name, made), target)
        found = {
            str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()
        }
        assert found == members


def test_what_macos_leaves_behind_is_left_out(tmp_path):
    made = zipped({"__MACOSX/._a.wav": b"x", ".DS_Store": b"x", "a.wav": b"y"})
    unpack(written(tmp_path, "x.zip", made), tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.wav"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_no_name_leads_outside(tmp_path, name, kind):
    make = zipped if kind == "zip" else tarred
    refused(written(tmp_path, f"x.{kind}", make({name: b"evil"})), "points outside")


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\nb", "x" * 300])
def test_names_that_are_none(tmp_path, name):
    refused(written(tmp_path, "x.tar.gz", tarred({name: b"evil"})), "not a name for a file")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar(tmp_path, kind):
    link = member("dir", kind, linkname="/tmp")
    through = member("dir/evil", size=4)
    refused(tar_of(tmp_path, link, through, content=b"evil"), "link or a device")


def test_links_in_a_zip(tmp_path):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/tmp")
    refused(written(tmp_path, "x.zip", held.getvalue()), "link or a device")


def test_a_name_that_comes_twice_or_lies_in_a_file(tmp_path):
    same = [member("a", size=1), member("./a", size=1)]
    refused(tar_of(tmp_path, *same, content=b"x"), "there twice")
    (tmp_path / "again").mkdir()
    below = [member("a", size=1), member("a/b", size=1)]
    refused(tar_of(tmp_path / "again", *below, content=b"x"), "lies in a file")


def test_bombs_by_ratio_bytes_and_members(tmp_path):
    zeros = bytes(20_000_000)
    for folder, name, make in (("a", "x.zip", zipped), ("b", "x.tar.gz", tarred)):
        (tmp_path / folder).mkdir()
        path = written(tmp_path / folder, name, make({"zeros": zeros}))
        assert len(zeros) / path.stat().st_size > 500
        refused(path, "unpack to more than")
    for folder, limits in (("c", Limits(bytes=999)), ("d", Limits(members=2))):
        (tmp_path / folder).mkdir()
        made = zipped({str(n): b"x" * 500 for n in range(3)})
        refused(written(tmp_path / folder, "x.zip", made), "more than|expected fewer", limits)


def test_a_zip_that_lies_about_its_size(tmp_path):
    made = bytearray(zipped({"zeros": bytes(20_000_000)}))
    size = struct.pack("<L", 20_000_000)
    for _ in range(2):  # local header and directory
        at = made.index(size)
        made[at : at + 4] = struct.pack("<L", 10)
    refused(written(tmp_path, "x.zip", bytes(made)), "damaged|more than")
    assert sum(p.stat().st_size for p in (tmp_path / "out").rglob("*")) <= 10


def test_a_tar_header_that_would_fill_the_memory(tmp_path):
    header = member("x", tarfile.XHDTYPE, size=2_000_000).tobuf(tarfile.GNU_FORMAT)
    import gzip

    content = gzip.compress(header + bytes(2_000_384))
    refused(written(tmp_path, "x.tar.gz", content), "header is larger")


def test_encrypted_sparse_and_damaged_archives(tmp_path):
    made = bytearray(zipped({"a": b"x" * 100}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        made[made.index(signature) + offset] |= 1
    refused(written(tmp_path, "x.zip", bytes(made)), "encrypted")
    for folder, name, content in (
        ("a", "x.zip", b"<html>not found</html>"),
        ("b", "x.tar.gz", b"<html>"),
        ("c", "x.tar.gz", tarred({"a": bytes(range(256)) * 999})[:-400]),
        ("d", "x.zip", zipped({"a": b"x" * 9999}).replace(b"a", b"b", 1)),
    ):
        (tmp_path / folder).mkdir()
        refused(written(tmp_path / folder, name, content), "damaged|cannot be unpacked")
    (tmp_path / "e").mkdir()
    sparse = member("s", tarfile.GNUTYPE_SPARSE, size=0)
    refused(tar_of(tmp_path / "e", sparse), "link or a device|damaged")
