"""The scripts of the backbone's rules, one after the other on toy data."""

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
from selfsupervised_clips import ARCH, LENGTHS, write_clips, write_manifest
from workflow_runs import script

from after_ser.model.latents import Latents
from after_ser.run.atomic import write_tsv


def run(name, input_=None, output=None, **params):
    script(name).main(
        SimpleNamespace(
            input=SimpleNamespace(**(input_ or {})),
            output=SimpleNamespace(**(output or {})),
            params=SimpleNamespace(**params),
            resources=SimpleNamespace(accumulation=2),
        )
    )


def test_from_scratch_to_latents(tmp_path):
    corpus = tmp_path / "corpus"
    clips = write_clips(corpus / "audio", LENGTHS)
    rows = {
        "utt": [Path(clip.path).stem for clip in clips],
        "path": [f"audio/{Path(clip.path).name}" for clip in clips],
        "speaker": ["01", "02"] * 4,
        "duration_s": [clip.seconds for clip in clips],
        "sha256": [clip.sha256 for clip in clips],
    }
    write_tsv(corpus / "manifest.tsv", pd.DataFrame(rows))
    weights = tmp_path / "backbone" / "model.safetensors"
    run(
        "pretrain_backbone",
        {"manifests": [str(corpus / "manifest.tsv")]},
        {"weights": str(weights), "validation": str(weights.parent / "validation.tsv")},
        corpora=["toy"],
        use={"toy": ["02"]},
        arch=ARCH,
        settings={
            **{"steps": 3, "warmup": 1, "seconds_per_step": 4, "mask_span": 3, "seed": 0},
            **{"validation_share": 0.0},
        },
        seed=0,
        device="cpu",
        threads=1,
        state=str(tmp_path / "state"),
    )
    origin = json.loads((weights.parent / "origin.json").read_text())
    assert (origin["kind"], origin["clips"], origin["seed"]) == ("scratch", 4, 0)
    assert origin["corpora"] == {"toy": ["02"]} and origin["architecture"] == ARCH
    assert {p.name for p in weights.parent.iterdir()} == {
        "config.json", "model.safetensors", "preprocessor_config.json", "origin.json",
        "log.tsv", "timing.json", "summary.json", "validation.tsv",
    }  # fmt: skip
    assert (weights.parent / "validation.tsv").read_text() == "step\tloss\n"
    timing = json.loads((weights.parent / "timing.json").read_text())
    assert timing["step"] == "backbone"

    copied = tmp_path / "copied" / "model.safetensors"
    run(
        "materialise_backbone",
        output={"weights": str(copied)},
        backbone={"folder": str(weights.parent)},
    )
    assert copied.read_bytes() == weights.read_bytes()

    write_manifest(tmp_path / "manifest.tsv", clips)
    run(
        "extract_latents",
        {"weights": str(copied), "manifest": str(tmp_path / "manifest.tsv")},
        {"latents": str(tmp_path / "latents" / "latents.npy")},
        device="cpu",
        threads=1,
    )
    with Latents(tmp_path / "latents") as latents:
        assert latents.utts == [clip.utt for clip in clips]
        assert latents.dimension == 16
