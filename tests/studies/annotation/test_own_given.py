"""The loop where people brought labels along, and where they were asked other clips than now."""

from pathlib import Path

import pytest

from after_ser.run.atomic import read_json, read_tsv, write_tsv
from after_ser.studies.annotation.queue_csv import read_query
from after_ser.studies.annotation.state import read_state
from tests.studies.annotation.test_own_loop import CLASSES, FRACTIONS, Loop, frozen, job


class Given(Loop):
    """A run whose recordings have labels from the beginning."""

    def __init__(self, folder, given):
        super().__init__(folder, True, lambda asked, row, truth: truth)
        table = read_tsv(folder / "manifest.tsv")
        table["label"] = [given(utt, self.truth[utt]) for utt in table["utt"]]
        write_tsv(folder / "manifest.tsv", table)

    def ask(self, asked, query):
        if len(read_tsv(query)):
            super().ask(asked, query)
            return
        self.answer = None  # nobody is there
        self.publish(asked, query)


@pytest.fixture
def loop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(given):
        found = Given(tmp_path, given)
        found.run()
        return found

    return run


def test_where_everything_is_labelled_nobody_is_asked(loop):
    loop(lambda utt, truth: truth)
    for asked in ("val", "round0", "round1", "round2"):
        assert read_query(Path(frozen(asked))) == []
    assert read_state("mine", len(FRACTIONS), CLASSES, {}).next is None
    found = [read_json(f"round{index}/metrics.json") for index in range(3)]
    assert {one["labelled"] for one in found} == {found[0]["n_train"]}
    assert read_json("round2/answers.json")["given"] == found[0]["n_train"]


def test_labels_of_one_class_are_on_top_of_what_is_asked(loop):
    found = loop(lambda utt, truth: truth if truth == CLASSES[0] else "")
    said = read_json("round2/answers.json")
    metrics = read_json("round2/metrics.json")
    assert 0 < said["given"] < metrics["labelled"] < metrics["n_train"]
    assert read_state("mine", len(FRACTIONS), CLASSES, {}).next is None
    labelled = read_tsv("round2/labelled.tsv")
    assert all(found.truth[utt] == label for utt, label in labelled[["utt", "label"]].values)


@pytest.mark.parametrize("asked", ["val", "round0", "round1"])
def test_what_was_asked_once_is_asked_again_whatever_would_be_asked_now(loop, asked):
    """Also where results/ was deleted and another model, or other audio, would ask otherwise."""
    here = loop(lambda utt, truth: "")
    split = read_tsv("fold1.tsv").set_index("utt")["split"]
    every = {utt for name in ("val", "round0", "round1") for utt in read_query(Path(frozen(name)))}
    other = sorted(utt for utt in split.index if utt not in every and split[utt] == "train")
    path = Path(frozen(asked))
    published = read_tsv(path)
    published.loc[0, "utt"] = other[0]
    write_tsv(path, published)
    params = here.common(fraction=0.4, settings={"k_min": 2, "k_max": 5}, options={},
                         frozen=str(path))  # fmt: skip
    known = {"labelled": "round0/labelled.tsv", "pool": "round0/pool.tsv",
             "answers": "round0/answers.json", "settings": "settings.json"}  # fmt: skip
    if asked == "val":
        job("val_query", here.given, {"query": "again.tsv"}, params)
    elif asked == "round0":
        given = {**here.given, "latents": "latents/latents.npy"}
        job("initial_set", given, {"initial": "again.tsv", "timing": "t.json"}, params)
    else:
        out = {"query": "again.tsv", "timing": "t.json"}
        job("acquire", {**here.given, **known}, out, params, round="1")
    assert read_query(Path("again.tsv")) == read_query(path)
