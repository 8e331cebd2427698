"""What `after_ser export` writes, which model it takes, and what it refuses in one line."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from exported_run import HOSTILE, SPEAKERS
from finetune_clips import CLASSES, random_clips, write_start
from safetensors.torch import load_file
from transformers import Wav2Vec2ForSequenceClassification, pipeline
from workflow_runs import REPO, copy_run

from after_ser.__main__ import main
from after_ser.judge.grid import cells
from after_ser.learn.finetune.batches import collate
from after_ser.model.classifier import start_classifier
from after_ser.model.waveform import read_samples, to_float
from after_ser.run.atomic import read_json, read_tsv, write_json, write_tsv
from after_ser.tools.export.calibration import rescaled
from after_ser.tools.export.choose import Wanted, choose, read_predictions, read_run, val_scores
from after_ser.tools.export.command import export


@pytest.fixture
def here(exportable_run, tmp_path, monkeypatch):
    """A copy of the run, and the process in it."""
    folder = copy_run(exportable_run, tmp_path / "copy")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def exported(exportable_run, tmp_path_factory):
    """A copy of the run with its export: (folder of the run, config, chosen, exported folder)."""
    root = copy_run(exportable_run, tmp_path_factory.mktemp("exported") / "copy")
    before = Path.cwd()
    os.chdir(root)
    try:
        config = read_run("tiny")
        folder, _ = export("tiny", Wanted(), None)
        return root, config, choose(config, Wanted()), root / folder
    finally:
        os.chdir(before)


def refused(capsys, *arguments):
    """The one line that `export` says no with."""
    assert main(["export", "--run", "tiny", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


def the_config(change):
    """Change the run's config.yaml."""
    path = Path("results/tiny/config.yaml")
    config = yaml.safe_load(path.read_text())
    change(config)
    path.write_text(yaml.safe_dump(config))


def test_the_head_is_the_one_of_transformers(tmp_path):
    """Same weights, same latents, a padded batch: the same logits as transformers' own code."""
    folder = write_start(tmp_path / "start")
    model = start_classifier(folder, CLASSES, "sequence-classification", 3).eval()
    theirs = Wav2Vec2ForSequenceClassification.from_pretrained(folder, num_labels=4).eval()
    theirs.wav2vec2.feature_projection.load_state_dict(model.projection.state_dict())
    theirs.wav2vec2.encoder.load_state_dict(model.transformer.state_dict())
    theirs.projector.load_state_dict(model.head.projector.state_dict())
    theirs.classifier.load_state_dict(model.head.output.state_dict())
    clips = random_clips(5)
    latents, lengths = collate(clips.frames, torch.device("cpu"))
    with torch.inference_mode():
        ours = model(latents, lengths)
        for row, size in enumerate(lengths):
            hidden, _ = theirs.wav2vec2.feature_projection(latents[row : row + 1, :size])
            states = theirs.projector(theirs.wav2vec2.encoder(hidden).last_hidden_state)
            expected = theirs.classifier(states.mean(dim=1))[0]
            torch.testing.assert_close(ours[row], expected, atol=1e-6, rtol=0)
    assert ours.std() > 1e-4 and model.head.projector.out_features == 256
    # drawn as transformers draws them, and from the seed alone
    weights = model.head.projector.weight
    assert (
        float(weights.detach().std()) == pytest.approx(0.02, rel=0.05)
        and not model.head.output.bias.any()
    )
    again = start_classifier(folder, CLASSES, "sequence-classification", 3)
    assert torch.equal(again.head.projector.weight, weights)
    other = start_classifier(folder, CLASSES, "sequence-classification", 4)
    assert not torch.equal(other.head.output.weight, model.head.output.weight)


def test_the_pipeline_says_what_the_run_said_calibrated(exported):
    root, config, chosen, folder = exported
    table, probs = read_predictions_in(root, chosen.cell, config["classes"], "val")
    temperature = read_json(folder / "export.json")["temperature"]
    assert temperature != 1
    paths = dict(
        read_tsv(root / chosen.cell.dataset_folder / "manifest.tsv")[["utt", "path"]].values
    )
    classify = pipeline("audio-classification", model=str(folder), device="cpu")
    found = []
    for utt in table["utt"]:
        samples = to_float(read_samples(root / paths[utt]))
        said = classify({"raw": samples, "sampling_rate": 16_000})
        found.append([{one["label"]: one["score"] for one in said}[n] for n in config["classes"]])
    found = np.array(found)
    assert len(found) == 24 and found.std(axis=0).min() > 0.01
    np.testing.assert_allclose(found, rescaled(probs, temperature), atol=1e-4)
    np.testing.assert_allclose(rescaled(found, 1 / temperature), probs, atol=1e-4)
    assert np.abs(found - probs).max() > 1e-3, "the temperature is in the weights"


def read_predictions_in(root, cell, classes, split):
    before = Path.cwd()
    os.chdir(root)
    try:
        return read_predictions(cell, classes, split)
    finally:
        os.chdir(before)


def test_the_temperature_is_in_the_last_layer_and_named(exported):
    root, config, chosen, folder = exported
    described = read_json(folder / "config.json")
    temperature = described["calibration_temperature"]
    assert described["architectures"] == ["Wav2Vec2ForSequenceClassification"]
    assert [described["id2label"][str(i)] for i in range(4)] == config["classes"]
    assert temperature == read_json(folder / "export.json")["temperature"]
    own = load_file(root / chosen.cell.folder / "model/model.safetensors")
    there = load_file(folder / "model.safetensors")
    for part in ("weight", "bias"):
        expected = own[f"output.{part}"] / temperature
        torch.testing.assert_close(there[f"classifier.{part}"], expected)
        torch.testing.assert_close(there[f"projector.{part}"], own[f"projector.{part}"])
    loaded, info = Wav2Vec2ForSequenceClassification.from_pretrained(
        folder, output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert loaded.config.calibration_temperature == temperature


def test_the_same_run_gives_the_same_bytes(exported, here):
    folder, _ = export("tiny", Wanted(), Path("again"))
    names = {path.name for path in folder.iterdir()}
    assert names == {path.name for path in exported[3].iterdir()} == {
        "README.md", "config.json", "export.json", "model.safetensors", "preprocessor_config.json",
    }  # fmt: skip
    for name in names:
        assert (folder / name).read_bytes() == (exported[3] / name).read_bytes(), name


def test_val_chooses_the_model_and_test_does_not(here):
    config = read_run("tiny")
    before = choose(config, Wanted())
    assert before.cell.round == 1 and len(before.peers) == 4
    scores = {cell: val_scores(cell, config["classes"]) for cell in before.peers}
    assert scores[before.cell][0] == max(ua for ua, _ in scores.values())
    best = next(cell for cell in before.peers if cell != before.cell)
    # perfect on val is now another model, and the worst of all on test
    for cell in before.peers:
        table = read_tsv(cell.predictions)
        for split, right in (("test", cell != best), ("val", cell == best)):
            if split == "val" and not right:
                continue
            for row in table.index[table["split"] == split]:
                for name in config["classes"]:
                    hit = (name == table.loc[row, "label"]) == right
                    table.loc[row, f"p_{name}"] = "0.9" if hit else "0.1"
        write_tsv(cell.predictions, table)
    assert choose(config, Wanted()).cell == best
    wanted = Wanted(fold=before.cell.fold, seed=before.cell.seed, round=0)
    assert choose(config, wanted).cell.round == 0


def test_the_last_finished_round_is_taken(here):
    config = read_run("tiny")
    last = [cell for cell in cells(config) if cell.round == 1]
    Path(last[0].metrics).unlink()
    found = choose(config, Wanted())
    assert found.cell.round == 0 and len(found.peers) == 4
    whole = Wanted(fold=last[-1].fold, seed=last[-1].seed)
    assert choose(config, whole).cell.round == 1


def test_a_head_that_transformers_has_not_is_refused(here, capsys):
    the_config(lambda c: c["protocols"]["paper"].update(head="mean-relu-linear"))
    error = refused(capsys)
    assert "sequence-classification" in error and "(paper)" in error
    error = refused(capsys, "--arm", "mine")
    assert "mean-relu-linear" in error and "protocols.paper.head: sequence-classification" in error
    assert not list(Path("results/tiny").glob("export/*"))


def test_what_is_not_there_is_said_in_one_line(here, capsys):
    assert "no arm other; expected one of mine" in refused(capsys, "--arm", "other")
    assert "fold 7; expected one of 1," in refused(capsys, "--fold", "7")
    assert "there is no round 9" in refused(capsys, "--round", "9")
    assert "there is no dataset x" in refused(capsys, "--dataset", "x")
    assert main(["export", "--run", "nowhere"]) == 1
    assert "of this folder: tiny" in capsys.readouterr().err
    weights = Path(choose(read_run("tiny"), Wanted()).cell.folder) / "model/model.safetensors"
    weights.write_bytes(b"")
    assert "this model was pruned" in refused(capsys)
    weights.unlink()
    assert "model.safetensors is missing" in refused(capsys)
    the_config(lambda c: c["arms"].update(twin=dict(c["arms"]["mine"], label="Twin")))
    both = {"dataset": "merged", "budgets": [0.6], "columns": {"A": "mine", "B": "twin"}}
    the_config(lambda c: c["tables"].update(table4=both))
    assert "ARM= one of mine, twin" in refused(capsys)
    assert not list(Path("results/tiny").glob("export/*"))
    assert not [path for path in here.rglob("*.part*")]


def test_a_start_that_is_another_one_is_found_out(here, capsys):
    shutil.rmtree("results/tiny/backbone/toy")
    start = write_start(Path("results/tiny/backbone/toy"), group_norm=True, seed=5)
    write_json(start / "origin.json", {})
    assert "from the run's own probabilities" in refused(capsys)
    assert not list(Path("results/tiny").glob("export/*"))


def test_nothing_of_others_is_overwritten(here, capsys):
    out = Path("taken")
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    assert "files of others" in refused(capsys, "--out", "taken")
    shutil.rmtree(out)
    assert main(["export", "--run", "tiny", "--out", "taken"]) == 0
    assert main(["export", "--run", "tiny", "--out", "taken"]) == 0, "its own may be replaced"
    edited = (out / "README.md").read_text() + "\nWe tested it on our own callers.\n"
    (out / "README.md").write_text(edited)
    capsys.readouterr()
    assert "README.md" in refused(capsys, "--out", "taken")
    assert (out / "README.md").read_text() == edited


def card_of(folder):
    return (folder / "README.md").read_text(encoding="utf-8")


def test_the_card_is_filled_from_the_run(exported):
    root, config, chosen, folder = exported
    card = card_of(folder)
    header = yaml.safe_load(card.split("---")[1])
    assert header["library_name"] == "transformers" and "license" not in header
    metrics = read_json(root / chosen.cell.metrics)
    test = metrics["test"]
    assert f"This very model: UA {100 * test['ua']:.1f}, WA {100 * test['wa']:.1f}" in card
    for name, row in zip(config["classes"], test["confusion"], strict=True):
        assert f"| {name} | {' | '.join(map(str, row))} |" in card
    assert f"Trained on {metrics['labelled']} labelled clips of {metrics['n_train']}" in card
    means = []
    for fold in (1, 2):
        runs = [read_json(root / c.metrics)["test"]["ua"] for c in chosen.peers if c.fold == fold]
        means.append(np.mean(runs))
        assert f"| {fold}{' (this model)' * (fold == chosen.cell.fold)} | 1 | 24 | 2 |" in card
        assert f"| {100 * means[-1]:.1f} [" in card
    assert f"UA over 2 folds: mean {100 * np.mean(means):.1f}" in card
    record = read_json(folder / "export.json")
    assert record["calibration"] in card and "| test | 0." in card
    for title in ("Limits", "Use", "Calibration", "Data", "Licences", "How it was made"):
        assert f"\n## {title}\n" in card
    assert "Not for decisions about people" in card and "synthetic" in card
    assert "head: sequence-classification" in card


def test_the_card_escapes_and_gives_nobody_away(exported):
    root, _, _, folder = exported
    card = card_of(folder)
    assert HOSTILE not in card and "<img" not in card.replace("\\<img", "")
    assert "](javascript" not in card.replace("\\](javascript", "")
    assert "> A \\<b>note\\</b> of" in card
    assert str(root) not in card and not any(name in card for name in SPEAKERS)
    assert "| speaker 1 | 1 | 24 |" in card and "| speaker 2 | 1 | 24 |" in card


def test_speakers_are_grouped_by_gender_where_it_is_known(here):
    path = Path("results/tiny/paper/datasets/merged/manifest.tsv")
    table = read_tsv(path)
    table["gender"] = ["female" if "Ada" in one else "" for one in table["speaker"]]
    write_tsv(path, table)
    card = card_of(export("tiny", Wanted(), None)[0])
    assert "| gender | speakers | clips | UA | WA |" in card
    assert "| female | 1 | 24 |" in card and "| not stated | 1 | 24 |" in card


def test_licences_are_said_where_known_and_unknown_else(here):
    def licence():
        return card_of(export("tiny", Wanted(), Path("out"))[0]).split("## Licences")[1]

    def real(config):
        config["corpora"]["toy-emodb"] = {"layout": "csv", "root": "x", "labels": {}, "options": {}}
        config["backbones"]["toy"] = {"folder": "/secret/place", "note": "heard | much"}

    the_config(real)
    assert "| corpus toy-emodb | unknown |" in licence()
    assert "| backbone toy | unknown |" in licence() and "/secret" not in card_of(Path("out"))
    the_config(lambda c: c["corpora"]["toy-emodb"].update(licence="CC | BY\n4.0"))
    the_config(lambda c: c["backbones"]["toy"].update(licence="MIT"))
    assert "| corpus toy-emodb | CC \\| BY" in licence()
    assert "| backbone toy | MIT " in licence()
    the_config(lambda c: c["corpora"]["toy-emodb"].update(layout="ravdess", licence=""))
    assert "CC BY-NC-SA 4.0" in licence()
    the_config(lambda c: c["corpora"]["toy-emodb"].update(layout="iemocap"))
    assert "| corpus toy-emodb | unknown; " in licence()


def test_a_run_without_test_clips_says_so(here):
    """As with recordings of one's own, of which only val is labelled."""
    for cell in cells(read_run("tiny")):
        table = read_tsv(cell.predictions)
        write_tsv(cell.predictions, table[table["split"] == "val"])
        metrics = read_json(cell.metrics)
        metrics.pop("test", None)
        write_json(cell.metrics, metrics)
    card = card_of(export("tiny", Wanted(), None)[0])
    assert "new speakers is not known" in card
    assert "| test |" not in card.split("## Data")[0]


def test_few_val_clips_leave_the_temperature_alone(here):
    for cell in cells(read_run("tiny")):
        table = read_tsv(cell.predictions)
        few = table[table["split"] == "val"].head(10)
        write_tsv(cell.predictions, table[(table["split"] != "val") | table.index.isin(few.index)])
    folder, line = export("tiny", Wanted(), None)
    assert read_json(folder / "config.json")["calibration_temperature"] == 1
    assert "(T = 1): 10 validation clips" in line
    assert "10 validation clips" in card_of(folder)


def test_a_protocol_that_crops_val_is_compared_on_test_clips(here):
    the_config(lambda c: c["protocols"]["paper"].update(crop="head"))
    line = export("tiny", Wanted(), None)[1]
    assert "On 24 test clips" in line


def test_latents_of_16_bits_are_told_apart_from_the_wrong_model(here):
    """They move probabilities by less than an export is refused for; the card says how far."""
    cell = choose(read_run("tiny"), Wanted()).cell
    exact = read_json(export("tiny", Wanted(), None)[0] / "export.json")["largest_difference"]
    assert exact < 2e-6
    table = read_tsv(cell.predictions, tuple(f"p_{name}" for name in CLASSES))
    table.loc[table["split"] == "val", "p_anger"] += 4e-4
    write_tsv(cell.predictions, table, "%.9g")
    folder, line = export("tiny", Wanted(), None)
    record = read_json(folder / "export.json")
    assert 3e-4 < record["largest_difference"] < 6e-4
    assert "within 5e-04" in line and "within 5e-04" in card_of(folder)


def test_a_head_without_mask_embedding_exports_too(here, tmp_path):
    from safetensors.torch import save_file

    cell = choose(read_run("tiny"), Wanted()).cell
    path = Path(cell.start_folder) / "model.safetensors"
    state = {k: v for k, v in load_file(path).items() if not k.endswith("masked_spec_embed")}
    save_file(state, path, metadata={"format": "pt"})
    folder, _ = export("tiny", Wanted(), None)
    assert not [k for k in load_file(folder / "model.safetensors") if "masked" in k]
    described = read_json(folder / "config.json")
    assert described["mask_time_prob"] == described["mask_feature_prob"] == 0


@pytest.mark.parametrize("seed", [[], ["SEED=3"]])
def test_make_hands_its_arguments_on_as_they_are(tmp_path, seed):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (programs / "python").chmod(0o755)
    out = 'it\'s $(touch pwned) "mine" `touch pwned` $HOME ${BIN}'
    done = subprocess.run(
        [
            "make",
            "--no-print-directory",
            "-f",
            str(REPO / "Makefile"),
            "-o",
            ".venv/installed",
            "export",
        ]
        + [f"BIN={programs}", "RUN=x", "ARM=a", "ROUND=0", f"OUT={out}", *seed],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    expected = ["-m", "after_ser", "export", "--run", "x", "--arm", "a"]
    expected += ["--seed", "3"] if seed else []
    assert done.stdout.splitlines() == [*expected, "--round", "0", "--out", out]
