"""Random subset of a one-shot arm: a prefix of one permutation, so that subsets are nested."""

import pandas as pd

from after_ser.core.seeding import rng
from after_ser.data.datasets.tables import read_fold
from after_ser.run.atomic import write_tsv
from after_ser.run.script import run_script
from after_ser.select.budget import initial_count
from after_ser.select.initial import random_initial
from after_ser.select.oracle import answer, read_answers


def main(snakemake):
    w, p = snakemake.wildcards, snakemake.params
    fold = read_fold(snakemake.input.fold)
    train = sorted(fold.loc[fold["split"] == "train", "utt"])
    draw = rng("oneshot", w.dataset, int(w.fold), int(w.seed))
    count = initial_count(p.fraction, len(train), f"dataset {w.dataset}, fold {w.fold}")
    picks = random_initial(len(train), count, draw)
    query = pd.DataFrame(
        {"utt": [train[i] for i in picks], "rank": range(1, len(picks) + 1), "score": 0.0}
    )
    answers = read_answers(snakemake.input.manifest, p.classes, p.oracle, w.dataset)
    labelled = answer(query, None, answers.labels, int(w.round), answers.votes)
    write_tsv(snakemake.output.labelled, labelled)


run_script(main, globals())
