"""Whole corpora from a local server, unpacked where the adapters look, and `snakemake download`."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import yaml
from workflow_runs import REPO, TINY, snakemake

from after_ser.core.errors import InputError
from after_ser.data.corpora.index import index_corpus
from after_ser.tools.download.corpus import FIRST_SEEN, RECORD, CorpusDownload
from after_ser.tools.download.plan import chosen, corpus_folders, explanation, read_plan
from tests.tools.download_server import clip, fetcher, serving, tarred, zipped

PLAN = REPO / "config/downloads.yaml"
LISTED = ("1001_DFA_ANG_XX.wav", "1001_DFA_SAD_XX.wav", "1076_MTI_NEU_XX.wav")
EXTRA = "1040_ITH_SAD_XX.wav"


def releases():
    """The files of tiny releases, as the real servers have them: path -> content."""
    emodb = zipped({f"emodb/wav/{n}.wav": clip(i) for i, n in enumerate(("03a01Fa", "08a01Wa"))})
    actor = {f"Actor_0{n}/03-01-05-01-02-01-0{n}.wav": clip(n) for n in (1, 2)}
    files = {"/emodb.zip": emodb, "/ravdess.zip": zipped(actor)}
    lines = []
    for number, name in enumerate((*LISTED, EXTRA)):
        content = clip(number + 10)
        files[f"/AudioWAV/{name}"] = content
        if name != EXTRA:
            url = f"https://media.githubusercontent.com/media/X/master/AudioWAV/{name}"
            lines.append(f"{url} {len(content)} {hashlib.sha256(content).hexdigest()}")
    lines.append("https://raw.githubusercontent.com/X/master/summaryTable.csv 7 " + "0" * 64)
    files["/crema_d.txt"] = "\n".join(lines).encode()
    files["/VideoDemographics.csv"] = b"ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,C,N\n"
    for part in ("bea_Angry", "sam_Neutral"):
        name = {"bea_Angry": "anger", "sam_Neutral": "neutral"}[part]
        files[f"/{part}.tar.gz"] = tarred({f"{part}/{name}_1-28_0001.wav": clip(len(part))})
    for sex in ("female", "male"):
        files[f"/{sex}.zip"] = zipped({f"{sex[0].upper()}01A01.wav": clip(len(sex))})
    return files


def plan_for(server):
    """The project's own plan with the server's addresses and the tiny releases' checksums."""
    plan = yaml.safe_load(PLAN.read_text(encoding="utf-8"))
    plan["patience"] = {"attempts": 3, "first_s": 0, "longest_s": 0, "connect_s": 5, "read_s": 5}
    counts = {"emodb": 2, "ravdess": 2, "cremad": 4, "emovdb": 2, "shemo": 2}
    wanted = {"bea_Angry.tar.gz", "sam_Neutral.tar.gz"}
    for name, corpus in plan["corpora"].items():
        corpus["clips"] = counts[name]
        if name == "emovdb":
            corpus["files"] = [f for f in corpus["files"] if f["name"] in wanted]
        for item in corpus["files"]:
            path = "/ravdess.zip" if name == "ravdess" else f"/{item['name']}"
            item["urls"] = [server.base + path]
            if "md5" in item:
                item["md5"] = hashlib.md5(server.files[path]).hexdigest()
                item["bytes"] = len(server.files[path])
        for item in corpus.get("lists", []):
            content = server.files["/crema_d.txt"]
            item["list"] |= {
                "urls": [f"{server.base}/crema_d.txt"],
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            item["bases"] = [f"{server.base}/quota/AudioWAV/", f"{server.base}/AudioWAV/"]
            item["also"] = {EXTRA: None, "1006_TIE_NEU_XX.wav": None}
    return plan


@pytest.fixture
def server():
    with serving(releases()) as running:
        yield running


def download(server, tmp_path, name, plan=None):
    corpus = (plan or plan_for(server))["corpora"][name]
    return CorpusDownload(name, corpus, tmp_path / "speech" / name, fetcher(3)).run()


@pytest.mark.parametrize("name", ["emodb", "ravdess", "cremad", "emovdb", "shemo"])
def test_a_fetched_corpus_is_what_its_adapter_reads(server, tmp_path, name, capsys):
    plan = plan_for(server)
    corpus = plan["corpora"][name]
    line = download(server, tmp_path, name, plan)
    said = capsys.readouterr().err
    assert corpus["licence"] in said and "documented" not in said, "the number of clips is right"
    root = tmp_path / "speech" / name
    index = index_corpus(name, corpus["layout"], root, {}, tmp_path / "index.tsv")
    assert len(index) == corpus["clips"] and f"{corpus['clips']} clips" in line
    record = json.loads((root / RECORD).read_text())
    basis = {one["trusted_by"] for one in record["files"].values()}
    published = {"emodb", "ravdess"}
    assert ("published checksum" in basis) == (name in published | {"cremad"})
    assert ("first download" in basis) == (name not in published)
    beside = {path.name for path in (tmp_path / "speech").iterdir()}
    assert beside <= {name, FIRST_SEEN}, "nothing half done is left"
    server.asked.clear()
    assert "is complete" in download(server, tmp_path, name, plan) and not server.asked


def test_cremad_skips_servers_and_clips_that_are_not_there(server, tmp_path, capsys):
    download(server, tmp_path, "cremad")
    root = tmp_path / "speech/cremad"
    assert {p.name for p in (root / "AudioWAV").iterdir()} == {*LISTED, EXTRA}
    assert "1006_TIE_NEU_XX.wav" in capsys.readouterr().err, "what is missing is said"
    quota = [path for path, _ in server.asked if path.startswith("/quota")]
    assert len(quota) <= 3, "a server that had nothing is asked last"


def test_an_interrupted_corpus_keeps_what_is_whole(server, tmp_path):
    last = f"/AudioWAV/{LISTED[-1]}"
    server.faults[last] = [403]
    with pytest.raises(InputError, match="1076_MTI_NEU_XX.wav cannot be had"):
        download(server, tmp_path, "cremad")
    assert not (tmp_path / "speech/cremad").exists(), "nothing that looks complete"
    server.asked.clear()
    download(server, tmp_path, "cremad")
    fetched = {path for path, _ in server.asked if path in server.files}
    assert fetched == {last}


def test_wrong_bytes_leave_no_corpus(server, tmp_path):
    plan = plan_for(server)
    server.files["/emodb.zip"] = server.files["/ravdess.zip"]
    with pytest.raises(InputError, match="emodb.zip .*wrong bytes"):
        download(server, tmp_path, "emodb", plan)
    assert not (tmp_path / "speech/emodb").exists()
    wrong = f"/AudioWAV/{LISTED[0]}"
    server.files[wrong] = clip(99)
    with pytest.raises(InputError, match="wrong bytes: SHA-256"):
        download(server, tmp_path, "cremad", plan)
    server.files["/crema_d.txt"] += b"\n"
    with pytest.raises(InputError, match="crema_d.txt cannot be had"):
        download(server, tmp_path / "again", "cremad", plan)


def test_what_was_trusted_at_first_may_not_change(server, tmp_path):
    import shutil

    download(server, tmp_path, "shemo")
    seen = json.loads((tmp_path / "speech" / FIRST_SEEN).read_text())
    assert set(seen) == {"shemo/female/female.zip", "shemo/male/male.zip"}
    shutil.rmtree(tmp_path / "speech/shemo")
    server.files["/male.zip"] = zipped({"M02A01.wav": clip(5)})
    with pytest.raises(InputError, match="as first seen.*remove shemo/male/male.zip in"):
        download(server, tmp_path, "shemo")
    assert not (tmp_path / "speech/shemo").exists()


def test_a_harmful_archive_leaves_nothing(server, tmp_path):
    server.files["/female.zip"] = zipped({"F01A01.wav": clip(1), "../../evil.wav": clip(2)})
    with pytest.raises(InputError, match="points outside"):
        download(server, tmp_path, "shemo")
    assert not list(tmp_path.rglob("evil*")) and not (tmp_path / "speech/shemo").exists()


def test_a_users_own_folder_is_left_as_it_is(server, tmp_path):
    own = tmp_path / "speech/emodb/wav/03a01Fa.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    assert "left as it is" in download(server, tmp_path, "emodb")
    assert own.read_bytes() == b"mine" and not server.asked


def test_the_plan_is_valid_and_names_every_corpus():
    plan = read_plan(PLAN)
    assert set(plan["corpora"]) == {"emodb", "ravdess", "cremad", "emovdb", "shemo"}
    assert set(plan["asked_for"]) == {"tess", "savee", "esd", "iemocap"}
    for corpus in plan["corpora"].values():
        for item in corpus["files"]:
            assert all(url.startswith("https://") for url in item["urls"])
    for name in plan["asked_for"]:
        assert re.search(r"https?://\S+", explanation(plan, name))
        with pytest.raises(InputError, match=f"{name} is not fetched: .*http"):
            chosen(plan, [name])
    with pytest.raises(InputError, match="did you mean ravdess"):
        chosen(plan, ["ravdes"])
    assert chosen(plan, []) == list(plan["corpora"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plan: plan["corpora"]["emodb"]["files"][0].update(urls=["file:///x"]), "emodb"),
        (lambda plan: plan["corpora"]["emodb"]["files"][0].update(into="../x"), "into"),
        (lambda plan: plan["corpora"]["emodb"]["files"][0].update(name="a/b"), "name"),
        (lambda plan: plan["corpora"]["emodb"]["files"][0].update(md5="x"), "md5"),
        (lambda plan: plan["corpora"]["emodb"].pop("licence"), "licence"),
        (lambda plan: plan.update(more=1), "more"),
    ],
)
def test_a_wrong_plan_is_one_line(tmp_path, change, message):
    plan = yaml.safe_load(PLAN.read_text(encoding="utf-8"))
    change(plan)
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    with pytest.raises(InputError, match=message) as caught:
        read_plan(tmp_path / "plan.yaml")
    assert "\n" not in str(caught.value)
    (tmp_path / "plan.yaml").write_text("a: [")
    for path in ("plan.yaml", "none.yaml"):
        with pytest.raises(InputError):
            read_plan(tmp_path / path)


def test_corpora_go_where_the_config_looks_for_them():
    plan = read_plan(PLAN)
    config = {
        "corpora_root": "speech",
        "corpora": {
            "mine": {"layout": "cremad", "root": "CREMA-D"},
            "made": {"layout": "emodb", "synthetic": {"clips": 9}},
            "far": {"layout": "ravdess", "root": "/far/ravdess"},
        },
    }
    found = corpus_folders(config, plan)
    assert found["cremad"] == "speech/CREMA-D" and found["emodb"] == "speech/emodb"
    assert found["ravdess"] == "/far/ravdess" and found["shemo"] == "speech/shemo"
    assert corpus_folders(config | {"corpora_root": ""}, plan)["emodb"] == "data/emodb"


def test_snakemake_download(server, tmp_path):
    plan = plan_for(server)
    server.faults["/ravdess.zip"] = ["drop", 503]
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    given = ("--config", "corpora_root=my speech", f"downloads={tmp_path / 'plan.yaml'}")
    target = ("download", *given, "download=[emodb,ravdess]")
    run = snakemake(tmp_path / "run", TINY, *target)
    assert run.status == 0, run.output[-3000:]
    folder = tmp_path / "run/my speech"
    assert {path.name for path in folder.iterdir()} == {"emodb", "ravdess"}
    assert len(list(Path(folder, "ravdess").rglob("*.wav"))) == 2
    assert "iemocap is not fetched: " in run.output and "release form" in run.output
    made = {path.name for path in (tmp_path / "run/results").rglob("*") if path.is_file()}
    assert made == {"download.log"}, "no result is needed or made"
    server.files.pop("/female.zip")
    run = snakemake(tmp_path / "run", TINY, "download", *given, "download=[emodb,shemo]")
    assert run.status == 1 and "emodb: is complete" in run.output
    assert "shemo could not be fetched" in run.output and "HTTP 404" in run.output
    assert "Traceback" not in run.output and not (folder / "shemo").exists()
