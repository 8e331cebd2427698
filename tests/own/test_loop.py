"""The whole loop: people who say the truth bring a run to the simulated oracle's very result."""

import pytest
import yaml
from people import (
    CONFIG,
    RUN,
    fill_csv,
    fill_label_studio,
    last_line,
    read_queue,
    recordings,
    snakemake,
    write_speech,
)

pytestmark = pytest.mark.people
SEED = f"results/{RUN}/own/al/people/toy/tapt/own/fold1/kmeans/seed0"
FOLDERS = [f"{SEED}/round0", f"{SEED}/entropy/round1", f"{SEED}/entropy/round2"]
COMPARED = ("labelled.tsv", "metrics.json", "predictions.tsv", "pool.tsv", "history.tsv")


def frozen(folder):
    return {
        path: path.read_bytes()
        for path in (folder / "annotations").rglob("*")
        if path.is_file() and path.name != "problems.tsv"
    }


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return recordings(tmp_path_factory.mktemp("recordings") / "emodb")


@pytest.fixture(scope="module")
def loop(tmp_path_factory, clips):
    """The folder of a run that people answered, and what was said at every stop."""
    folder = tmp_path_factory.mktemp("people")
    truth = write_speech(folder / "speech", clips, labels=False)
    own = folder / "annotations" / RUN
    said = []

    def go_on(*expected):
        before = frozen(folder)
        done = snakemake(folder, CONFIG)
        assert done.returncode == 0, done.stderr[-4000:]
        said.append(last_line(done))
        for text in expected:
            assert text in said[-1], said[-1]
        after = frozen(folder)
        assert {path: after.get(path) for path in before} == before  # nothing typed is lost
        return done

    go_on("val", f"annotations/{RUN}/val/queue.csv")
    assert not list(folder.rglob("round0"))
    again = go_on("val", f"annotations/{RUN}/val/queue.csv")
    assert "Nothing to be done" in again.stderr
    queue = read_queue(own / "val")
    fill_csv(own / "val/answers/first.csv", queue[:-1], truth)
    again = go_on(f"1 of {len(queue)} clips of val", "queue.csv")
    assert "Nothing to be done" in again.stderr
    fill_csv(own / "val/answers/rest.csv", queue[-1:], truth)
    go_on("round0", f"annotations/{RUN}/round0/page.html")
    fill_label_studio(own / "round0", truth)
    go_on("round1", f"so far: {SEED}/round0/progress.html")
    fill_csv(own / "round1/queue.csv", read_queue(own / "round1"), truth)  # where it lies
    go_on("round2")
    for who in ("anna", "ben"):
        fill_csv(own / f"round2/answers/{who}.csv", read_queue(own / "round2"), truth, who)
    go_on("every question is answered", f"so far: {SEED}/entropy/round2/progress.html")
    assert "Nothing to be done" in go_on().stderr
    return folder, truth


@pytest.fixture(scope="module")
def simulated(tmp_path_factory, clips):
    """The folder of the same run whose oracle reads the labels."""
    folder = tmp_path_factory.mktemp("simulated")
    write_speech(folder / "speech", clips, labels=True)
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    config["protocols"]["people"]["oracle"] = {"kind": "simulated"}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    done = snakemake(folder, path)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def test_answers_that_are_true_reach_the_simulated_oracle_s_result_to_the_byte(loop, simulated):
    folder, _ = loop
    for place in FOLDERS:
        for name in COMPARED:
            ours, theirs = folder / place / name, simulated / place / name
            assert ours.read_bytes() == theirs.read_bytes(), f"{place}/{name}"
    assert not (simulated / "annotations").exists()


def test_what_people_were_asked_is_apart_from_val_and_told_in_the_tables(loop):
    folder, truth = loop
    own = folder / "annotations" / RUN
    asked = {name: [row["utt"] for row in read_queue(own / name)] for name in
             ("val", "round0", "round1", "round2")}  # fmt: skip
    speakers = {name: {utt[7:9] for utt in utts} for name, utts in asked.items()}
    later = speakers["round0"] | speakers["round1"] | speakers["round2"]
    assert asked["val"] and not speakers["val"] & later
    table = (folder / f"results/{RUN}/tables/rounds.md").read_text(encoding="utf-8")
    assert "There are no test labels" in table and "No speaker of val" in table
    both = f"2 annotators, {len(asked['round2'])} clips with two labels"
    assert both in table
    # the clips of TAPT are all of the pool, none of val
    fold = (folder / f"results/{RUN}/own/datasets/own/fold1.tsv").read_text(encoding="utf-8")
    assert fold.count("\ttrain\n") == sum(utt[7:9] not in speakers["val"] for utt in truth)


def test_results_can_be_deleted_and_answers_are_used_again(loop, tmp_path):
    """Without results/ the published queries come back as they were asked, not anew."""
    folder, _ = loop
    (tmp_path / "annotations").symlink_to(folder / "annotations")
    (tmp_path / "speech").symlink_to(folder / "speech")
    plan = snakemake(tmp_path, CONFIG, "-n", "--quiet", "rules")
    assert plan.returncode == 0, plan.stderr
    assert "every question is answered" in plan.stderr
