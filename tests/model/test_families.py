"""The seams at backbone and head: what a new one takes, and that nothing else knows the first one.

made_up_family.py and made_up_head.py are the worked examples: a file and a line of the registry.
"""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from finetune_clips import CLASSES, CPU, SETTINGS, labels
from selfsupervised_clips import LENGTHS, settings, write_clips, write_manifest

import after_ser
from after_ser.core.errors import InputError
from after_ser.learn.finetune.embeddings import embed
from after_ser.learn.finetune.predict import predict
from after_ser.learn.finetune.round import Split, load_clips, run_round, write_round
from after_ser.learn.tapt.pseudo_labels import PseudoLabels
from after_ser.learn.tapt.train import pretrain
from after_ser.model import registry
from after_ser.model.classifier import load_classifier, start_classifier
from after_ser.model.families import wav2vec2
from after_ser.model.families.conv_encoder import ConvBody, save_model
from after_ser.model.latents import Latents, extract_latents
from after_ser.model.materialise import materialise_folder
from after_ser.model.scratch import build_scratch
from after_ser.run.atomic import read_json, read_tsv
from after_ser.tools.cluster.work import shape_of

SOURCE = Path(after_ser.__file__).parent
DROPPED = {"dropout": 0.0, "activation_dropout": 0.0, "attention_dropout": 0.0, "layerdrop": 0.0}


@pytest.fixture
def made_up(monkeypatch, tmp_path):
    """The two lines, a checkpoint of the family and clips with their latents."""
    monkeypatch.setitem(registry.FAMILIES, "made-up", "made_up_family:MadeUp")
    monkeypatch.setitem(registry.HEADS, "loudest", "made_up_head:Loudest")
    family = registry.family("made-up", "a test")
    family.build(family.architecture({}), 3).save(tmp_path / "given")
    materialise_folder(tmp_path / "given", tmp_path / "start")
    return tmp_path


def with_latents(folder, start):
    clips = write_clips(folder / "audio", LENGTHS)
    write_manifest(folder / "manifest.tsv", clips)
    extract_latents(start, folder / "manifest.tsv", None, folder / "latents", "cpu")
    return clips


def fit_a_round(folder, start, clips, previous=None, **changes):
    """Fit on the first four clips; return the model, and what was written."""
    utts = [clip.utt for clip in clips]
    truth = dict(zip(utts, labels(len(utts)), strict=True))
    split = Split(utts[:6], utts[6:7], utts[7:], truth)
    labelled = pd.DataFrame({"utt": utts[:4], "label": [truth[utt] for utt in utts[:4]]})
    with Latents(folder / "latents") as latents:
        model, fitted, frames = run_round(
            split=split, labelled=labelled, latents=latents, start=start, previous=previous,
            classes=CLASSES, settings={**SETTINGS, **changes}, head_seed=1, seed_parts=("fit", 0),
            device=CPU,
        )  # fmt: skip
    write_round(
        folder / "round", model=model, fitted=fitted, frames=frames, split=split,
        labelled=labelled, budget=0.5, round_index=0,
    )  # fmt: skip
    return model, folder / "round"


def test_a_made_up_family_with_a_made_up_head_fits_scores_and_embeds(made_up):
    start = made_up / "start"
    clips = with_latents(made_up, start)
    model, written = fit_a_round(made_up, start, clips, head="loudest")
    assert type(model.body).__module__ == "made_up_family"
    assert type(model.head).__module__ == "made_up_head"
    before = start_classifier(start, CLASSES, "loudest", 1).state_dict()
    after = model.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert {"transformer.1.0.weight", "head.output.weight"} <= changed
    history = read_tsv(written / "history.tsv", ("train_loss",))
    assert len(history) == 3 and history["train_loss"].is_monotonic_decreasing
    files = (written / "model/model.safetensors", written / "model/config.json")
    described = read_json(files[1])
    assert described["made-up"]["width"] == 8 and described["head"] == "loudest"
    again = load_classifier(*files)
    with Latents(made_up / "latents") as latents:
        heard = load_clips(latents, [clip.utt for clip in clips])
    assert [len(frames) for frames in heard.frames] == [int(s * 16_000) // 320 for s in LENGTHS]
    np.testing.assert_array_equal(predict(again, heard, CPU), predict(model, heard, CPU))
    embedded = embed(again, heard, CPU)
    assert embedded.embeddings.shape == (len(clips), 8)
    # alone and padded to the longest, a clip has the same embedding: its head knows the padding
    alone = model.embed(torch.from_numpy(heard.frames[0]).float()[None], torch.tensor([25]))
    np.testing.assert_allclose(embedded.embeddings[0], alone.detach().numpy()[0], atol=1e-6)
    warm, _ = fit_a_round(made_up, start, clips, files, head="loudest", max_epochs=1)
    assert type(warm.head).__module__ == "made_up_head"


def test_a_made_up_family_has_tapt_without_codes_and_is_refused_with_them(made_up):
    clips = write_clips(made_up / "audio", LENGTHS)
    folder = made_up / "clusters"
    folder.mkdir()
    counts = [int(s * 16_000) // 320 for s in LENGTHS]
    np.save(folder / "clusters.npy", np.arange(sum(counts))[:, None] % 3)
    offsets = np.cumsum([0, *counts[:-1]])
    rows = zip([clip.utt for clip in clips], offsets, counts, strict=True)
    text = "".join(f"{utt}\t{offset}\t{count}\n" for utt, offset, count in rows)
    (folder / "index.tsv").write_text("utt\toffset\tframes\n" + text)
    described = {"clusters": [3], "stride": 320, "receptive_field": 320}
    (folder / "clusters.json").write_text(json.dumps(described))
    places = (made_up / "out", made_up / "state", "cpu", 1)
    given = settings(objective="p-tapt", steps=3)
    pretrain(made_up / "start", clips, given, ("tapt", 1), *places, PseudoLabels(folder))
    adapted = registry.family_of(made_up / "out").body(made_up / "out").transformer.state_dict()
    before = registry.family_of(made_up / "start").body(made_up / "start").transformer.state_dict()
    # a masked frame is all zeros, and this family's frames know nothing of each other
    assert torch.equal(adapted["0.0.weight"], before["0.0.weight"])
    assert not torch.equal(adapted["0.0.bias"], before["0.0.bias"])
    with pytest.raises(InputError, match="'eq1'.* made-up backbone has no quantiser") as caught:
        pretrain(made_up / "start", clips, settings(), ("tapt", 1), made_up / "no", *places[1:])
    assert "\n" not in str(caught.value) and not (made_up / "no").exists()


def test_plans_ask_the_family_and_configs_the_registry(made_up):
    assert shape_of({"folder": "/models/made-up-large"}).frames_per_second == 50
    assert shape_of({"folder": "/models/made-up-large"}).hidden == 8
    assert registry.exportable_heads(registry.family_of(made_up / "start")) == []
    from workflow_runs import resolved, tiny

    config = tiny()
    config["protocols"]["paper"]["head"] = "loudest"
    assert resolved(config)["protocols"]["paper"]["head"] == "loudest"
    config["protocols"]["paper"]["head"] = "loudist"
    with pytest.raises(InputError, match='no head "loudist"; did you mean "loudest"'):
        resolved(config)


def test_a_family_that_is_not_known_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "wav2vec"}')
    with pytest.raises(InputError, match="'wav2vec'; did you mean 'wav2vec2'"):
        registry.family_of(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "clap"}')
    with pytest.raises(InputError, match="config.json has model_type 'clap'; expected one of"):
        registry.family_of(tmp_path)


@pytest.mark.parametrize("name", registry.HEADS)
def test_the_registry_returns_the_head_of_the_name(name):
    words = registry.head_class(name).__name__
    assert name.replace("-", "") == words.lower()


# the fast path


def tiny_start(folder):
    from selfsupervised_clips import ARCH

    save_model(build_scratch({**ARCH, **DROPPED}, 2), folder / "start", do_normalize=True)
    return folder / "start"


def test_one_key_of_a_fit_switches_the_fast_path_off(tmp_path, monkeypatch):
    """Without it, transformers' modules train and score, here and wherever the model is loaded."""
    start = tiny_start(tmp_path)
    clips = with_latents(tmp_path, start)
    fast, written = fit_a_round(tmp_path, start, clips)
    assert "fast" not in read_json(written / "model/config.json")
    expected = read_tsv(written / "predictions.tsv", tuple(f"p_{name}" for name in CLASSES))
    plain, _ = fit_a_round(tmp_path, start, clips, fast=False)
    assert not isinstance(fast.body, ConvBody) and isinstance(plain.body, ConvBody)
    assert type(plain.transformer).__module__.startswith("transformers.")
    again = load_classifier(written / "model/model.safetensors", written / "model/config.json")
    assert isinstance(again.body, ConvBody)
    found = read_tsv(written / "predictions.tsv", tuple(f"p_{name}" for name in CLASSES))
    columns = [f"p_{name}" for name in CLASSES]
    np.testing.assert_allclose(found[columns], expected[columns], atol=1e-4)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(value, fast.state_dict()[name], atol=1e-3, rtol=1e-3)
    warm = (written / "model/model.safetensors", written / "model/config.json")
    assert isinstance(fit_a_round(tmp_path, start, clips, warm, fast=False)[0].body, ConvBody)


WITHOUT = """
import sys
from pathlib import Path
from selfsupervised_clips import settings
from tests.model.test_families import fit_a_round, tiny_start, with_latents
from after_ser.model.families import wav2vec2
from after_ser.model.families.conv_encoder import ConvBody
from after_ser.learn.tapt.train import pretrain
folder = Path(sys.argv[1])
start = tiny_start(folder)
clips = with_latents(folder, start)
model, _ = fit_a_round(folder, start, clips)
pretrain(start, clips, settings(steps=2), ("tapt", 1), folder / "out", folder / "state", "cpu")
print(wav2vec2.__file__, wav2vec2.FAST, isinstance(model.body, ConvBody))
"""


def test_without_the_fast_path_everything_runs(tmp_path):
    """Its folder is deleted, and no other file is changed."""
    copy = tmp_path / "src/after_ser"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(copy / "model/families/wav2vec2_fast")
    tests = Path(__file__).parents[1]
    path = f"{copy.parent}:{tests}:{tests.parent}"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(tmp_path / "run")],
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [str(copy / "model/families/wav2vec2.py"), "False", "True"]
    assert wav2vec2.FAST


# who may know


#: Files of the family; TAPT objectives that are its own, and their name; training from scratch;
#: what is said of published models and results; wav2vec (version 1), which is P-TAPT's.
MAY_NAME_IT = {
    *("model/registry.py", "model/families/wav2vec2.py", "model/families/conv_encoder.py"),
    *("model/scratch.py", "model/spec_augment.py", "tools/plan/calibration.py"),
    *("learn/tapt/objectives/registry.py", "learn/tapt/objectives/wav2vec2.py"),
    *("learn/tapt/settings.py", "judge/tables/published_sessions.py"),
    *("judge/tables/published.py", "judge/tables/provenance.py"),
    *("studies/fewshot/table.py", "judge/tables/tapt_sessions.py", "judge/registry.py"),
}


WORDS = {"wav2vec", *(name.split("-")[0] for name in registry.FAMILIES if name != "wav2vec2")}


def named_in(path):
    """The families that code (names and texts, no comments and docstrings) has in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                first.value.value = ""
    return {word for word in WORDS if word in ast.unparse(tree).lower()}


def test_nothing_else_names_wav2vec2():
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if path.parts[-2] not in ("ptapt", "wav2vec2_fast")
        and "wav2vec" in named_in(path)
        and path.name not in ("config.py", "models.py")  # explanations of keys
    }
    assert found - {"tools/cluster/rules.py"} <= MAY_NAME_IT
    # there it is the cost of wav2vec version 1, P-TAPT's first stage
    assert "wav2vec2" not in _code("tools/cluster/rules.py").lower()


def test_the_other_families_are_named_in_their_files_and_the_registry_alone():
    for path in SOURCE.rglob("*.py"):
        words = named_in(path) - {"wav2vec"}
        if path.name == "registry.py" and path.parent.name == "model":
            assert words == WORDS - {"wav2vec"}
        elif path.name != "config.py":  # explanations of keys
            assert all(path.stem.startswith(word) for word in words), f"{path}: {words}"


def _code(name):
    return "".join(
        line for line in (SOURCE / name).read_text().splitlines() if not line.startswith("#")
    )


def test_no_other_file_asks_which_head_it_is():
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
                assert not set(texts) & set(registry.HEADS), f"{path}:{node.lineno}"
