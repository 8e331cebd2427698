"""Leaks, looked for where they would matter: poison what must not be read, run, compare bytes.

Every test also shows that its poison works, i.e. that something that may read it did change.
"""

import pytest
import soundfile
from workflow_runs import (
    AL,
    DATASET,
    SPLIT,
    TINY,
    contents,
    copy_run,
    stamps,
    succeed,
    table,
    tiny,
    write_config,
)

from after_ser.run.atomic import write_tsv

pytestmark = pytest.mark.slow

SEED = f"{AL}/tapt/merged/fold1/kmeans/seed0"
ROUNDS = f"{AL}/pretrained/merged/fold1/random/seed0"
TAPT = f"{SPLIT}/tapt/toy/tapt/merged/fold1/seed0"
CLASSES = ["anger", "neutral", "sad", "happy"]


def force(folder, config, targets, rules):
    """Run `rules` again for `targets`; every other file stays as it is."""
    before = stamps(folder)
    run = succeed(folder, config, *targets, "--forcerun", *rules, "--allowed-rules", *rules)
    after = stamps(folder)
    for target in targets:
        assert after[target] != before.get(target), f"{target} was not made again"
    return run


def relabel(folder, utts):
    """Give every clip of `utts` another label in the dataset's manifest."""
    path = folder / DATASET / "manifest.tsv"
    manifest = table(folder, f"{DATASET}/manifest.tsv")
    chosen = manifest["utt"].isin(utts)
    following = dict(zip(CLASSES, [*CLASSES[1:], CLASSES[0]], strict=True))
    manifest.loc[chosen, "label"] = manifest.loc[chosen, "label"].map(following)
    write_tsv(path, manifest)
    return int(chosen.sum())


def test_no_label_reaches_tapt_clustering_a_fit_or_a_query_before_it_is_asked_for(
    tiny_run, tmp_path
):
    folder = copy_run(tiny_run, tmp_path / "run")
    fold = table(folder, f"{DATASET}/fold1.tsv")
    known = set(table(folder, f"{SEED}/entropy/round1/labelled.tsv")["utt"])
    unknown = set(fold.loc[fold["split"] == "train", "utt"]) - known
    test = set(fold.loc[fold["split"] == "test", "utt"])
    assert relabel(folder, unknown | test) == len(unknown) + len(test) > 20
    before = contents(folder)
    force(
        folder,
        TINY,
        [f"{TAPT}/model.safetensors", f"{SEED}/entropy/round2/labelled.tsv"],
        ["tapt", "initial_set", "fit_round0", "acquire", "fit_round"],
    )
    after = contents(folder)
    same = [f"{TAPT}/model.safetensors", f"{SEED}/initial.tsv", f"{SEED}/entropy/round2/query.tsv"]
    for part in ("round0", "entropy/round1"):
        names = ("labelled.tsv", "pool.tsv", "history.tsv", "model/model.safetensors")
        same += [f"{SEED}/{part}/{name}" for name in names]
    assert not [path for path in same if after[path] != before[path]]
    # the poison: the oracle's next answers, and the labels printed beside test predictions
    asked = table(folder, f"{SEED}/entropy/round2/labelled.tsv").set_index("utt")["label"]
    honest = table(tiny_run, f"{SEED}/entropy/round2/labelled.tsv").set_index("utt")["label"]
    assert set(asked[asked != honest].index) == set(asked.index) - known
    found, true = (table(f, f"{SEED}/entropy/round1/predictions.tsv") for f in (folder, tiny_run))
    assert list(found["label"] != true["label"]) == list(found["split"] == "test")
    assert found.drop(columns="label").equals(true.drop(columns="label"))


def test_test_clips_reach_neither_tapt_nor_clustering(tiny_run, tmp_path):
    folder = copy_run(tiny_run, tmp_path / "run")
    fold = table(folder, f"{DATASET}/fold1.tsv").set_index("utt")["split"]
    paths = table(folder, f"{DATASET}/manifest.tsv").set_index("utt")["path"]
    # copies share no file with the original run, so that only this one is poisoned
    for utt in fold[fold == "test"].index:
        samples, rate = soundfile.read(folder / paths[utt], dtype="int16")
        soundfile.write(folder / paths[utt], samples[::-1] // 2, rate, subtype="PCM_16")
    before = contents(folder)
    latents = f"{SPLIT}/latents/toy/pretrained/merged/latents.npy"
    force(
        folder,
        TINY,
        [f"{TAPT}/model.safetensors", f"{SEED}/initial.tsv", latents],
        ["tapt", "pretrained_latents", "initial_set"],
    )
    after = contents(folder)
    for path in (f"{TAPT}/model.safetensors", f"{SEED}/initial.tsv", f"{SEED}/round0/labelled.tsv"):
        assert after[path] == before[path], path
    assert after[latents] != before[latents], "the poison is in the pool's latents"


def test_no_draw_depends_on_which_other_arms_seeds_and_rounds_there_are(tiny_run, tmp_path):
    config = tiny()
    others = {
        "a-first": {"label": "A", "start": "tapt", "init": "random", "strategy": "random"},
        "z-last": {"label": "Z", "start": "pretrained", "init": "kmeans", "strategy": "margin"},
    }
    config["arms"] = {"a-first": others["a-first"], **config["arms"], "z-last": others["z-last"]}
    config["figures"]["figure2"]["arms"] = list(config["arms"])[:2] + ["ft-rounds", "z-last"]
    config |= {"seeds": [3, 0, 1], "folds": [2, 1, 3], "budget": [*config["budget"], 1.0]}
    config["tapt"]["another"] = {**config["tapt"]["tapt"], "objective": "eq1"}
    folder = copy_run(tiny_run, tmp_path / "run")
    before = contents(folder)
    made = [
        f"{SEED}/initial.tsv",
        f"{SEED}/entropy/round2/query.tsv",
        f"{ROUNDS}/initial.tsv",
        f"{ROUNDS}/random/round1/query.tsv",
        f"{AL}/tapt/merged/fold1/oneshot/seed0/random/round2/labelled.tsv",
    ]
    rules = ["initial_set", "acquire", "oneshot_subset"]
    force(folder, write_config(tmp_path / "more.yaml", config), made, rules)
    after = contents(folder)
    assert not [path for path in made if after[path] != before[path]]


def test_paired_arms_begin_from_the_same_clips_and_random_subsets_are_nested(tiny_run, tmp_path):
    folder = copy_run(tiny_run, tmp_path / "run")
    oneshot = f"{AL}/{{start}}/merged/fold1/oneshot/seed0/random/round{{index}}/labelled.tsv"
    targets = [oneshot.format(start="tapt", index=index) for index in (0, 1)]
    targets.append(oneshot.format(start="pretrained", index=2))
    force(folder, TINY, targets, ["oneshot_subset"])
    sets = [
        list(table(folder, oneshot.format(start="tapt", index=index))["utt"]) for index in range(3)
    ]
    assert len(sets[0]) < len(sets[1]) < len(sets[2])
    assert sets[2][: len(sets[1])] == sets[1] and sets[1][: len(sets[0])] == sets[0]
    assert list(table(folder, targets[2])["utt"]) == sets[2]
