"""Initial labelled set of one (dataset, fold, init, seed): K-means on latents, or random.

The simulated oracle answers at once. People, who are the oracle where there is no output for
labels, are not asked for clips whose labels they have given already.
"""

import sys
from pathlib import Path

from after_ser.data.datasets.tables import read_fold
from after_ser.model.latents import Latents
from after_ser.run.atomic import write_json, write_tsv
from after_ser.run.script import run_script
from after_ser.run.timing import Stopwatch
from after_ser.select.budget import initial_count
from after_ser.select.initial import initial_query
from after_ser.select.oracle import answer, read_answers
from after_ser.studies.annotation.unscored import asked_before, empty_query, given_labels


def choose(train, w, p, latents):
    """Return the query for the initial set among these clips, by wildcards and params."""
    where = f"dataset {w.dataset}, fold {w.fold}"
    count = initial_count(p.fraction, len(train), where)
    if count < len(p.classes):
        print(
            f"notice: {where}: the initial set of {count} clips (budget {p.fraction:g} of "
            f"{len(train)}) cannot have one of each of the {len(p.classes)} classes",
            file=sys.stderr,
        )
    means = None
    if w.init == "kmeans":
        means = Latents(Path(latents).parent).means(train).astype(float)
    seed_parts = ("initial", w.dataset, int(w.fold), w.init, int(w.seed))
    return initial_query(train, count, seed_parts, means, p.settings)


def main(snakemake):
    watch = Stopwatch()
    given, out, w, p = snakemake.input, snakemake.output, snakemake.wildcards, snakemake.params
    fold = read_fold(given.fold)
    train = sorted(fold.loc[fold["split"] == "train", "utt"])
    asks = out.get("labelled") is None
    if asks:
        labelled = given_labels(given.manifest)
        train = [utt for utt in train if utt not in labelled]
    query = asked_before(p.get("frozen"))
    if query is None and asks and not train:
        query = empty_query()
    if query is None:
        with watch.computing():
            query = choose(train, w, p, given.get("latents"))
    write_tsv(out.initial, query)
    if not asks:
        answers = read_answers(given.manifest, p.classes, p.oracle, w.dataset)
        write_tsv(out.labelled, answer(query, None, answers.labels, 0, answers.votes))
    write_json(out.timing, watch.read("initial", "cpu", 1))


run_script(main, globals())
