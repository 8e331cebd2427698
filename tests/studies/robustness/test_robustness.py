"""Scores under noise: the clean ones are the fit's own, and every model hears the same."""

import numpy as np
import pandas as pd
import pytest
import torch
from finetune_clips import CLASSES, CPU, labels, write_start
from selfsupervised_clips import write_clips, write_manifest

from after_ser.core.metrics import score
from after_ser.learn.finetune.predict import predict
from after_ser.learn.finetune.round import load_clips
from after_ser.model.classifier import start_classifier
from after_ser.model.latents import Latents, extract_latents
from after_ser.model.registry import family_of
from after_ser.studies.robustness import score as module
from after_ser.studies.robustness.score import CLEAN, COLUMNS, ClipFiles, robustness

SECONDS = [0.4 + 0.1 * index for index in range(14)]
CONDITIONS = {"white": [20, 0], "babble": [5], "reverb": [0.3], "telephone": [3400]}


def stem_of(world):
    return family_of(world["start"]).stem(world["start"], CPU)


@pytest.fixture(scope="module", params=["layer", "group"])
def world(tmp_path_factory, request):
    root = tmp_path_factory.mktemp("robustness")
    start = write_start(root / "start", group_norm=request.param == "group")
    clips = write_clips(root / "audio", SECONDS)
    write_manifest(root / "manifest.tsv", clips)
    extract_latents(start, root / "manifest.tsv", None, root / "latents", "cpu")
    test = [clip.utt for clip in clips[:8]]
    return {
        "start": start,
        "test": test,
        "truth": dict(zip(test, labels(8), strict=True)),
        "paths": {clip.utt: clip.path for clip in clips},
        "others": ClipFiles([clip.path for clip in clips[8:]]),
        "latents": Latents(root / "latents"),
    }


def fitted(world, seed):
    """A model and what its fit would have recorded: latents from the pipeline's own file."""
    model = start_classifier(world["start"], CLASSES, "mean-relu-linear", seed)
    clips = load_clips(world["latents"], world["test"])
    with torch.no_grad():  # logits around 0 and of spread 2, so that predictions differ
        logits = torch.log(torch.from_numpy(predict(model, clips, CPU)))
        scale = 2 / logits.std(dim=0).mean()
        model.head.output.bias.copy_(scale * (model.head.output.bias - logits.mean(dim=0)))
        model.head.output.weight.mul_(scale)
    probs = predict(model, clips, CPU)
    assert len(set(probs.argmax(axis=1))) > 2
    columns = {f"p_{name}": [f"{p:.9g}" for p in probs[:, i]] for i, name in enumerate(CLASSES)}
    recorded = pd.DataFrame({"utt": world["test"], **columns})
    truth = [world["truth"][utt] for utt in world["test"]]
    return model, recorded, score(truth, probs, CLASSES)


def run(world, model, recorded, ua, conditions=CONDITIONS):
    return robustness(
        model=model,
        stem=stem_of(world),
        conditions=conditions,
        recorded=recorded,
        recorded_ua=ua,
        device=CPU,
        **{name: world[name] for name in ("test", "truth", "paths", "others")},
    )


def test_clean_clips_give_the_recorded_scores_and_every_condition_has_a_row(world):
    model, recorded, found = fitted(world, 3)
    table = run(world, model, recorded, found["ua"])
    assert list(table.columns) == COLUMNS
    clean = table.iloc[0]
    assert clean["condition"] == CLEAN and clean["level"] == ""
    for name in ("ua", "wa", "macro_f1", "n"):
        assert clean[name] == found[name]
    assert list(zip(table["condition"], table["level"], strict=True))[1:] == [
        ("white", "20"), ("white", "0"), ("babble", "5"), ("reverb", "0.3"), ("telephone", "3400"),
    ]  # fmt: skip
    assert (table["n"] == 8).all()


def test_noise_reaches_the_model(world, monkeypatch):
    model, recorded, found = fitted(world, 3)
    seen = []

    def spy(truth, probs, classes):
        seen.append(probs)
        return score(truth, probs, classes)

    monkeypatch.setattr(module, "score", spy)
    module.robustness(
        model=model, stem=stem_of(world), conditions=CONDITIONS,
        recorded=recorded, recorded_ua=found["ua"], device=CPU,
        **{name: world[name] for name in ("test", "truth", "paths", "others")},
    )  # fmt: skip
    assert len(seen) == 6
    # to the last digit written, which latents of another precision would not give
    written = recorded[[f"p_{name}" for name in CLASSES]].to_numpy(dtype=float)
    np.testing.assert_allclose(seen[0], written, rtol=1e-8)
    for changed in seen[1:]:
        assert np.abs(changed - seen[0]).max() > 1e-4


def test_scores_that_are_not_the_recorded_ones_stop_the_job(world):
    model, recorded, found = fitted(world, 3)
    with pytest.raises(RuntimeError, match="metrics.json has UA"):
        run(world, model, recorded, found["ua"] + 0.01, {})
    _, other, _ = fitted(world, 4)
    with pytest.raises(RuntimeError, match="from the recorded ones"):
        run(world, model, other, found["ua"], {})


def test_every_model_hears_the_same_noise_whatever_else_is_tested(world, monkeypatch):
    heard = []
    real = module.perturb

    def spy(kind, clip, level, utt, others):
        heard.append((kind, level, utt, real(kind, clip, level, utt, others)))
        return heard[-1][-1]

    monkeypatch.setattr(module, "perturb", spy)
    sets = []
    fewer = {"babble": [5], "white": [0]}
    for seed, conditions in ((3, CONDITIONS), (4, fewer)):
        model, recorded, found = fitted(world, seed)
        heard.clear()
        run(world, model, recorded, found["ua"], conditions)
        sets.append({one[:3]: one[3] for one in heard})
    assert set(sets[1]) < set(sets[0]) and len(sets[1]) == 16
    assert all(np.array_equal(sets[0][key], sets[1][key]) for key in sets[1])
