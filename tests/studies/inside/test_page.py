"""The page that looks inside an arm: nothing secret, nothing that runs, nothing endless."""

import base64
import io
import json
import re
import shutil
from urllib.parse import unquote

import pandas as pd
import pytest
import soundfile
from made_up_arm import CLASSES, TRAIN, config, write_run

from after_ser.studies.inside import sounds
from after_ser.studies.inside.page import write_page
from after_ser.studies.inside.plan import files_of
from tests.judge.test_security_pages import EVIL, HARM, Elements

PAGE = "results/made-up/inside/both/after.html"


def page_of(root, settings, found):
    write_page(settings, found, PAGE, root)
    text = (root / PAGE).read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1]
    return text, json.loads(data)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root, settings = tmp_path_factory.mktemp("made"), config()
    return root, settings, write_run(root, settings)


def test_it_shows_the_map_the_picks_and_the_mistakes(made):
    text, data = page_of(*made)
    assert [run["fold"] for run in data["runs"]] == ["1", "2"]
    first = data["runs"][0]
    names = [one["utt"] for one in data["clips"]]
    points = {names[p[0]]: (p[3], p[4]) for p in first["points"]}
    label = {utt: CLASSES.index(name) for utt, (_, name) in TRAIN.items()}
    when = {"one/a": 0, "one/c": 0, "one/b": 1, "two/e": 1}
    assert points == {utt: (when.get(utt, -1), label[utt]) for utt in TRAIN}
    listed = first["rounds"][1]["listed"]
    assert [(names[p["clip"]], p["rank"]) for p in listed] == [("one/b", 1), ("two/e", 2)]
    # what the model of round 0 said: anger at 0.3 (POOL), so neutral
    assert {(p["says"], p["sure"]) for p in listed} == {(1, 0.7)}
    assert first["rounds"][0]["listed"][0]["says"] == -1
    kinds = {one["name"]: one["wrong"] for one in data["kinds"]}
    assert kinds == {"test": 1, "val": 1, "pool": 4, "picked": 2}
    assert "1 of 4 are wrong" in data["kinds"][0]["text"]
    # the numbers of the charts are on the page, too
    assert "<td>75.0 %</td>" in text and "round 1: 3 of 4" in text


def test_it_is_made_of_the_planned_files_alone(made, tmp_path_factory):
    """Whatever else there is may change without the page being made again."""
    root, settings, found = made
    before = page_of(root, settings, found)[0]
    other = tmp_path_factory.mktemp("other")
    for file in files_of(found, settings["inside"]["runs"]):
        (other / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / file, other / file)
    shutil.copytree(root / "results/corpora", other / "results/corpora")
    assert page_of(other, settings, found)[0] == before


@pytest.mark.parametrize("kind", ["human", "something new"])
def test_where_people_answer_no_other_label_of_a_train_clip_is_shown(tmp_path, kind):
    """The manifest has the truth here, as in a rehearsal with hidden labels: it is not read."""
    settings = config()
    settings["protocols"]["paper"]["oracle"]["kind"] = kind
    found = write_run(tmp_path, settings, tested=False)
    with_truth, data = page_of(tmp_path, settings, found)
    for run in data["runs"]:
        for point in run["points"]:
            assert (point[4] >= 0) == (point[3] >= 0), "labelled clips have a label, others none"
        assert {pick["truth"] for one in run["rounds"] for pick in one["listed"]} == {-1}
    assert {one["name"] for one in data["kinds"]} == {"val", "picked"}
    assert not data["truth"] and "Nobody knows the classes" in with_truth
    assert "There are no test clips" in with_truth
    # the only val clip is anger
    assert "; validation 100.0 %" in with_truth and "; validation 0.0 %" in with_truth
    manifest = tmp_path / found[0].dataset_folder / "manifest.tsv"
    table = pd.read_csv(manifest, sep="\t", dtype=str)
    table.loc[table["utt"].isin(list(TRAIN)), "label"] = ""
    table.to_csv(manifest, sep="\t", index=False)
    assert page_of(tmp_path, settings, found)[0] == with_truth


def test_answers_that_differ_from_the_corpus_are_counted(tmp_path):
    settings = config()
    found = write_run(tmp_path, settings)
    assert "answers of the" not in page_of(tmp_path, settings, found)[0]
    second = tmp_path / found[1].folder / "labelled.tsv"
    text = second.read_text(encoding="utf-8")
    second.write_text(text.replace("one/b\tanger", "one/b\tneutral"), encoding="utf-8")
    text, data = page_of(tmp_path, settings, found)
    assert "1 of 8 answers" in text
    pick = data["runs"][0]["rounds"][1]["listed"][0]
    assert (pick["label"], pick["truth"]) == (CLASSES.index("neutral"), CLASSES.index("anger"))


def test_pools_and_features_are_read_of_the_runs_shown_in_detail_alone(made):
    _, _, found = made
    files = files_of(found, 1)
    assert not [file for file in files if "/fold2/" in file and "pool.tsv" in file]
    assert [file for file in files if "/fold1/" in file and "pool.tsv" in file]
    assert all(cell.metrics in files and cell.labelled in files for cell in found)
    assert len(files_of(found, 2)) > len(files)


def test_text_of_corpora_and_configs_is_text(made, tmp_path):
    calm = Elements(page_of(*made)[0])
    settings = config()
    settings["arms"]["after"]["label"] = settings["note"] = EVIL
    names = dict(zip(["one/a", "two/e", "one/t2", "two"], HARM, strict=False))
    text, data = page_of(tmp_path, settings, write_run(tmp_path, settings, names=names))
    elements = Elements(text)
    assert sorted(elements.tags) == sorted([*calm.tags, "p"]), "the note's paragraph is new"
    assert elements.attributes == calm.attributes
    assert EVIL in elements.text and HARM[3] in elements.text
    assert {one["utt"] for one in data["clips"]} >= set(HARM[:3]), "it is in the data, as it is"
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text)


def test_clips_are_played_from_the_page_or_the_disk(made):
    root, settings, found = made
    _, data = page_of(root, settings, found)
    assert 0 < len(data["sounds"]) <= settings["inside"]["embedded"]
    for uri in data["sounds"].values():
        kind, _, coded = uri.partition(",")
        assert kind == "data:audio/mpeg;base64"
        heard, rate = soundfile.read(io.BytesIO(base64.b64decode(coded)))
        assert rate == 16000 and 1.0 <= len(heard) / rate < 1.2
    for one in data["clips"]:
        assert "%23" in one["file"] and "#" not in one["file"]
        assert (root / PAGE).parent.joinpath(unquote(one["file"])).resolve().is_file()


def test_long_clips_are_cut_in_the_page(tmp_path):
    soundfile.write(tmp_path / "long.wav", [0.1] * 8000 * 30, 8000)
    coded = sounds.data_uri(tmp_path / "long.wav").partition(",")[2]
    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(coded)))
    assert len(heard) / rate == pytest.approx(sounds.LONGEST_S, abs=0.2)


def test_a_page_is_bounded(tmp_path):
    limits = {"runs": 1, "points": 3, "picks": 1, "errors": 1, "embedded": 2}
    settings = config(**limits)
    found = write_run(tmp_path, settings)
    text, data = page_of(tmp_path, settings, found)
    assert len(data["runs"]) == 1 and len(data["runs"][0]["points"]) == 3
    assert data["runs"][0]["train"] == len(TRAIN)
    assert [len(one["listed"]) for one in data["runs"][0]["rounds"]] == [1, 1]
    assert [one["new"] for one in data["runs"][0]["rounds"]] == [2, 2]
    assert len(data["suspects"]) == 4 == len({one["source"] for one in data["suspects"]})
    assert "the 1 surest are shown" in next(k for k in data["kinds"] if k["name"] == "pool")["text"]
    assert len(data["sounds"]) == 2
    assert "2 clips are inside" in text and "fold 1 seed 0 (config" in text
    settings = config(embedded=0)
    assert page_of(tmp_path, settings, found)[1]["sounds"] == {}


def test_the_same_run_gives_the_same_page(made, tmp_path_factory):
    again = tmp_path_factory.mktemp("again")
    settings = config()
    assert page_of(again, settings, write_run(again, settings))[0] == page_of(*made)[0]
