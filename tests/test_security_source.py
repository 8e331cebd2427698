"""What the source may not do: unpickle, run text as code or in a shell, load what is not pinned."""

import ast
import json
import os
import re
import subprocess
import sys

import pytest
import torch
import yaml
from snakemake.cli import parse_config
from workflow_runs import REPO, tiny

from after_ser.config.resolve import resolve
from after_ser.core.errors import InputError
from after_ser.model.materialise import materialise_folder
from after_ser.run.weights import read_weights
from after_ser.studies.ptapt.fairseq import load_wav2vec

SOURCES = [
    path
    for folder in ("src", "workflow", "benchmarks")
    for path in sorted((REPO / folder).rglob("*.py"))
]


def dotted(node):
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def wrong(call):
    """What is wrong with one call and ruff does not see, "" where nothing is."""
    last = dotted(call.func).rpartition(".")[2]
    given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in call.keywords}
    offline = given.get("local_files_only") and given.get("use_safetensors")
    checks = {
        "np.load with allow_pickle": last == "load" and given.get("allow_pickle"),
        "weights from a hub or of pickles": last == "from_pretrained" and not offline,
        "a hub's file without a revision": last in ("hf_hub_download", "snapshot_download")
        and "revision" not in given,
        "trust_remote_code": "trust_remote_code" in given,
        "a shell, perhaps": given.get("shell", False) is not False,
        "an archive that says where it goes": last == "extractall",
    }
    return ", ".join(what for what, is_so in checks.items() if is_so)


def faults(text):
    """What a piece of Python does that it may not, as (line, what)."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return [(call.lineno, wrong(call)) for call in calls if wrong(call)]


@pytest.mark.parametrize(
    "code",
    [
        "np.load(p, allow_pickle=True)",
        "subprocess.run(t, shell=flag)",
        "AutoModel.from_pretrained(n, trust_remote_code=True)",
        "Wav2Vec2Model.from_pretrained(n)",
        "Wav2Vec2Model.from_pretrained(n, local_files_only=True)",
        "hf_hub_download(r, n)",
        "archive.extractall(p)",
    ],
)
def test_the_scan_sees(code):
    assert faults(code), code


def test_the_source():
    assert len(SOURCES) > 150
    assert not faults("np.load(p)\nsubprocess.run(['a'], shell=False)")
    found = {str(path): faults(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert not {path: wrongs for path, wrongs in found.items() if wrongs}


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import torch\ntorch.load(p)", "TID251"),
        ("import pickle", "TID251"),
        ("from joblib import load", "TID251"),
        ("import pandas as pd\npd.read_pickle(p)", "TID251"),
        ("import yaml\nyaml.load(t)", "S506"),
        ("import yaml\nyaml.unsafe_load(t)", "TID251"),
        ("eval(t)", "S307"),
        ("exec(t)", "S102"),
        ("import os\nos.system(t)", "S605"),
        ("import subprocess\nsubprocess.run(t, shell=True)", "S602"),
        ("import requests\nrequests.get(u, verify=False, timeout=1)", "S501"),
    ],
)
def test_make_lint_sees(code, rule):
    """The project's own settings of ruff are on for its sources."""
    command = [sys.executable, "-m", "ruff", "check", "--stdin-filename", "src/after_ser/x.py"]
    command += ["--output-format", "concise", "-"]
    told = subprocess.run(command, cwd=REPO, input=code, capture_output=True, text=True)
    assert f" {rule} " in told.stdout


def test_no_rule_builds_a_shell_command():
    rules = [REPO / "Snakefile", *sorted((REPO / "rules").rglob("*.smk"))]
    assert len(rules) > 10
    for path in rules:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(shell|run)\s*:", text, re.MULTILINE), path
        assert not re.search(r"\b(shell|os\.system|subprocess|eval|exec)\(", text), path


class Touch:
    """Pickled, this is a program: reading it back would make the file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch '{self.path}'",)


def test_a_checkpoint_that_is_a_program_is_refused_in_one_line(tmp_path):
    touched = tmp_path / "touched"
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "wav2vec2"}')
    (folder / "preprocessor_config.json").write_text("{}")
    bad = folder / "pytorch_model.bin"
    torch.save({"weight": torch.ones(2), "more": Touch(touched)}, bad)
    for read in (
        lambda: read_weights(bad, "backbone"),
        lambda: materialise_folder(folder, tmp_path / "out"),
        lambda: load_wav2vec(bad),
    ):
        with pytest.raises(InputError, match="holds code") as caught:
            read()
        message = str(caught.value)
        assert "\n" not in message and "weights_only" not in message, "no advice to run it"
        assert not touched.exists()
    assert not (tmp_path / "out/model.safetensors").exists()
    torch.load(bad, weights_only=False)
    assert touched.exists(), "the file is as harmful as this test says"


def test_weights_of_a_hub_are_pinned():
    pinned = 0
    for path in sorted((REPO / "config").glob("*.yaml")):
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        for backbone in config.get("backbones", {}).values():
            if "hub" in backbone:
                assert re.fullmatch("[0-9a-f]{40}", backbone["revision"]), path
                pinned += 1
    assert pinned >= 2
    for revision in ("main", "v1.0", "0b5b8e8", None):
        config = tiny()
        config["backbones"]["other"] = {"hub": "a/b"} | ({"revision": revision} if revision else {})
        with pytest.raises(InputError, match="revision") as caught:
            resolve(config)
        assert "\n" not in str(caught.value)


FOLDERS = [
    'it\'s a "folder"',
    "$(touch pwned) `touch pwned` $HOME ${BIN}",
    "a' ; touch pwned ; '\" ; touch pwned # [x] {y}: &",
    "123",
    "ümläut 😀 back\\slash",
]


@pytest.mark.parametrize("target", ["open-quick", "download"])
def test_a_folder_may_be_called_anything(tmp_path, target):
    """The Makefile hands CORPORA on as it is; Snakemake gets it as the text that it is."""
    programs = tmp_path / "bin"
    programs.mkdir()
    log = tmp_path / "log"
    recorder = (
        f"import json, sys\nopen({str(log)!r}, 'a').write(json.dumps(sys.argv[1:]) + chr(10))\n"
    )
    (programs / "record.py").write_text(recorder)
    (programs / "snakemake").write_text(
        f'#!/bin/sh\nexec {sys.executable} "{programs}/record.py" "$@"\n'
    )
    real = f'exec {sys.executable} "$@"'
    told = f'exec {sys.executable} "{programs}/record.py" "$@"'
    (programs / "python").write_text(f'#!/bin/sh\ncase "$3" in report) {told};; esac\n{real}\n')
    for name in ("snakemake", "python"):
        (programs / name).chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(REPO / "src")}
    for folder in FOLDERS[:: 1 if target == "download" else 3]:
        log.write_text("")
        subprocess.run(
            ["make", "-f", str(REPO / "Makefile"), "-o", ".venv/installed", target]
            + [f"BIN={programs}", f"CORPORA={folder}"],
            cwd=REPO,
            env=environment,
            check=True,
            capture_output=True,
        )
        calls = [json.loads(line) for line in log.read_text().splitlines()]
        assert len(calls) == (1 if target == "download" else 2)
        for call in calls:
            given = [text for text in call if text.startswith("corpora_root=")]
            assert parse_config(given) == {"corpora_root": folder}
        assert not (REPO / "pwned").exists()
