"""A user's mistake: a failing exit status, one line that names it, and nothing half-written.

One of each kind; what each mistake is called is tested beside the code that finds it.
"""

import numpy as np
import pytest
import soundfile
from workflow_runs import contents, snakemake, tiny, write_config

pytestmark = pytest.mark.slow


def fail(folder, config, *targets):
    """Run a config that cannot work; return the lines of the output that tell of an error."""
    run = snakemake(folder, write_config(folder / "config.yaml", config), *targets)
    assert run.status != 0
    assert "Traceback" not in run.output and "src/after_ser" not in run.output
    return run.output.splitlines()


def lines_with(lines, *words):
    return [line for line in lines if all(word in line for word in words)]


def changed(path, value):
    config = tiny()
    place = config
    *parents, last = path.split("/")
    for key in parents:
        place = place[key]
    place[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("tapt/tapt/stepps", 3, ['unknown key "stepps" in tapt.tapt', 'did you mean "steps"?']),
        ("budget", [0.1, 0.5, 0.25], ["budget: 0.25 comes after 0.5", "expected increasing"]),
    ],
)
def test_a_mistake_in_the_config_is_named_before_anything_runs(tmp_path, path, value, words):
    lines = fail(tmp_path, changed(path, value))
    assert len(lines_with(lines, *words)) == 1, lines
    assert not (tmp_path / "results").exists()


def real_corpus(layout, root):
    config = tiny()
    config["corpora"]["toy-emodb"] = {"layout": layout, "root": str(root)}
    return config


def index_fails(tmp_path, config, *words):
    lines = fail(tmp_path, config, "results/corpora/toy-emodb/index.tsv")
    found = [line for line in lines_with(lines, *words) if line.startswith("error: ")]
    assert len(set(found)) == 1, "\n".join(lines)
    written = [path for path in contents(tmp_path) if not path.endswith(".log")]
    assert not written, "the failed step left nothing behind"
    log = (tmp_path / "results/corpora/toy-emodb/log/index.log").read_text(encoding="utf-8")
    assert found[0] in log and "Traceback" not in log


def test_a_corpus_root_that_does_not_exist_is_named(tmp_path):
    root = tmp_path / "no such corpus"
    index_fails(tmp_path, real_corpus("emodb", root), str(root))


def write_noise(path):
    path.parent.mkdir(parents=True)
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)


def test_a_missing_label_file_is_named(tmp_path):
    root = tmp_path / "IEMOCAP_full_release"
    session = root / "Session1"
    write_noise(session / "sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav")
    other = session / "dialog/EmoEvaluation/Ses01F_impro02.txt"
    other.parent.mkdir(parents=True)
    other.write_text("% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n", encoding="utf-8")
    index_fails(tmp_path, real_corpus("iemocap", root), "EmoEvaluation", "Ses01F_impro01")
