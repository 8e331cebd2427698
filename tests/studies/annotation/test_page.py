"""The labelling page as a file; what it does in a browser is tested in tests/browser."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from after_ser.core.errors import InputError
from after_ser.studies.annotation import page as labelling
from after_ser.studies.annotation.page import audio_reference, write_page
from after_ser.studies.annotation.queue import QueuedClip

CLASSES = ["anger", "</script><script>x", "<!-- & \u2028"]


class Parts(HTMLParser):
    """Tags, attributes and the contents of scripts and styles of a page."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.inside, self.contents = [], [], None, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.inside = tag if tag in ("script", "style", "title") else None

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.contents.append((self.inside, data))

    def of(self, tag):
        return [data for inside, data in self.contents if inside == tag]


@pytest.fixture
def clips(tmp_path):
    found = []
    for rank, name in ((2, "b #?.wav"), (1, "=a.flac")):
        path = tmp_path / "audio" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
        found.append(QueuedClip(rank, f"own/<b>{name}", path, 1.23456))
    return found


def written(tmp_path, clips, **changed):
    path = tmp_path / "annotations/r/round3/page.html"
    given = {"run": "r", "asked": "round3", "classes": CLASSES, "clips": clips, "embed": False}
    write_page(path, **{**given, **changed})
    return Parts(path.read_text(encoding="utf-8"))


def data_of(parts):
    return json.loads(parts.of("script")[0])


def test_clips_are_in_the_order_of_ranks_and_named_as_they_are(tmp_path, clips):
    data = data_of(written(tmp_path, clips))
    assert [clip["utt"] for clip in data["clips"]] == ["own/<b>=a.flac", "own/<b>b #?.wav"]
    assert [clip["audio"] for clip in data["clips"]] == [
        "../../../audio/=a.flac",
        "../../../audio/b #?.wav",
    ]
    assert data["clips"][1]["source"] == "../../../audio/b%20%23%3F.wav"
    assert data["clips"][0]["seconds"] == 1.235 and data["classes"] == CLASSES


def test_embedded_audio_is_in_the_page(tmp_path, clips):
    sources = [clip["source"] for clip in data_of(written(tmp_path, clips, embed=True))["clips"]]
    kinds, contents = zip(*(source.split(";base64,") for source in sources), strict=True)
    assert kinds == ("data:audio/flac", "data:audio/wav")
    assert base64.b64decode(contents[1]) == b"b #?.wav"


@pytest.mark.parametrize("embed", [True, False])
def test_the_policy_allows_what_is_in_the_page_and_nothing_else(tmp_path, clips, embed):
    parts = written(tmp_path, clips, embed=embed)
    policy = next(
        value for name, value in parts.attributes if name == "content" and "default-src" in value
    )
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))

    def hashes(texts):
        digests = (hashlib.sha256(text.encode()).digest() for text in texts)
        return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]

    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["script-src"].split() == hashes(parts.of("script")[1:])
    assert rules["style-src"].split() == hashes(parts.of("style"))
    assert rules["media-src"] == ("data:" if embed else "'self' file:")
    assert not {"connect-src", "img-src", "frame-src"} & set(rules)


def test_it_names_nothing_elsewhere_and_ends_no_script(tmp_path, clips):
    parts = written(tmp_path, clips)
    assert parts.tags.count("script") == 4, "the data and three scripts"
    assert not {"link", "iframe", "img", "form", "b"} & set(parts.tags)
    for name, value in parts.attributes:
        assert not name.startswith("on"), "no code in attributes"
        if name in ("src", "href"):
            assert value.startswith("#")
    for text in parts.of("script")[1:] + parts.of("style"):
        assert not re.search(r"https?:|//[a-z]|innerHTML|eval\(|document\.write|fetch\(", text)


def test_titles_are_text(tmp_path, clips):
    parts = written(tmp_path, clips, run="<b>&", asked="val")
    assert parts.of("title") == ["<b>&: label the validation set"] and "b" not in parts.tags
    assert written(tmp_path, clips).of("title") == ["r: label round 3"]


def test_the_same_queue_is_the_same_file_and_another_has_another_key(tmp_path, clips):
    path = tmp_path / "annotations/r/round3/page.html"
    hashes = [data_of(written(tmp_path, clips))["hash"]]
    first = path.read_bytes()
    assert data_of(written(tmp_path, clips[::-1]))["hash"] == hashes[0]
    assert path.read_bytes() == first
    hashes.append(data_of(written(tmp_path, clips, classes=CLASSES[::-1]))["hash"])
    hashes.append(data_of(written(tmp_path, clips, run="s"))["hash"])
    hashes.append(data_of(written(tmp_path, clips[:1]))["hash"])
    assert len(set(hashes)) == 4


def test_what_cannot_be_asked_is_refused_in_one_line(tmp_path, clips, monkeypatch):
    twice = [clips[0], QueuedClip(3, clips[0].utt, clips[0].audio, 1)]
    gone = [QueuedClip(1, "own/x", tmp_path / "gone.wav", 1)]
    monkeypatch.setattr(labelling, "EMBED_LIMIT", 14)
    for changed, what in (
        ({"clips": []}, "no clip"),
        ({"classes": ["one"]}, "two or more"),
        ({"classes": ["a", "b", "a"]}, "each once"),
        ({"clips": twice}, "is in the queue twice"),
        ({"clips": gone}, r"gone.wav: No such file .*expected the audio of clip own/x"),
        ({"embed": True}, "MiB of audio; expected at most"),
    ):
        with pytest.raises(InputError, match=what) as caught:
            written(tmp_path, **{"clips": clips, **changed})
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.html"))


def test_audio_beside_the_queue_is_neither_formula_nor_address():
    folder = Path("/x/annotations")
    assert audio_reference(Path("/x/annotations/=1.wav"), folder) == "./=1.wav"
    assert audio_reference(Path("/x/annotations/a:b.wav"), folder) == "./a:b.wav"
    assert audio_reference(Path("/x/a.wav"), folder) == "../a.wav"
