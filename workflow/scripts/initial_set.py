"""Initial labelled set of one (dataset, fold, init, seed): K-means on latents, or random.

The simulated oracle answers at once. For people only the query is written; clips whose labels they
have given already are labelled without being chosen.
"""

import sys
from pathlib import Path

import pandas as pd

from after_ser.acquisition import initial
from after_ser.acquisition.budget import initial_count
from after_ser.acquisition.oracle import answer, read_answers
from after_ser.annotation.unscored import empty_query, given_labels
from after_ser.backbone.latents import Latents
from after_ser.datasets.tables import read_fold
from after_ser.runtime.atomic import read_tsv, write_json, write_tsv
from after_ser.runtime.seeding import derive_seed, rng
from after_ser.runtime.timing import Stopwatch


def main(snakemake):
    watch = Stopwatch()
    w, p = snakemake.wildcards, snakemake.params
    fold = read_fold(snakemake.input.fold)
    train = sorted(fold.loc[fold["split"] == "train", "utt"])
    asks = snakemake.output.get("labelled") is None
    if asks:
        given = given_labels(snakemake.input.manifest)
        train = [utt for utt in train if utt not in given]
        frozen = Path(p.frozen)
        if frozen.exists() or not train:
            again = read_tsv(frozen) if frozen.exists() else empty_query()
            write_tsv(snakemake.output.initial, again)
            write_json(snakemake.output.timing, watch.read("initial", "cpu", 1))
            return
    where = f"dataset {w.dataset}, fold {w.fold}"
    count = initial_count(p.fraction, len(train), where)
    if count < len(p.classes):
        print(
            f"notice: {where}: the initial set of {count} clips (budget {p.fraction:g} of "
            f"{len(train)}) cannot have one of each of the {len(p.classes)} classes",
            file=sys.stderr,
        )
    parts = ("initial", w.dataset, int(w.fold), w.init, int(w.seed))
    with watch.computing():
        if w.init == "kmeans":
            means = Latents(Path(snakemake.input.latents).parent).means(train).astype(float)
        if w.init == "kmeans" and p.settings.get("method") == "released":
            picks, clusters, cosine = initial.released_picks(means, count, derive_seed(*parts))
            columns = {"score": cosine, "cluster": clusters, "k": clusters.max() + 1}
        elif w.init == "kmeans":
            found = initial.cluster(
                means, p.settings["k_min"], p.settings["k_max"], derive_seed(*parts)
            )
            picks = initial.nearest_to_centres(found, count)
            columns = {
                "score": -found.distance[picks],
                "cluster": found.assignment[picks],
                "k": found.k,
                "knee_found": found.knee_found,
            }
        else:
            picks = initial.random_initial(len(train), count, rng(*parts))
            columns = {"score": 0.0}
    query = pd.DataFrame(
        {"utt": [train[i] for i in picks], "rank": range(1, len(picks) + 1), **columns}
    )
    write_tsv(snakemake.output.initial, query)
    if asks:
        write_json(snakemake.output.timing, watch.read("initial", "cpu", 1))
        return
    answers = read_answers(snakemake.input.manifest, p.classes, p.oracle, w.dataset)
    write_tsv(snakemake.output.labelled, answer(query, None, answers.labels, 0, answers.votes))
    write_json(snakemake.output.timing, watch.read("initial", "cpu", 1))


if __name__ == "__main__":
    from after_ser.runtime.script import run_script

    run_script(main, globals())
