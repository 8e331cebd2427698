"""One acquisition: query the pool of the round before, then let the oracle answer.

Two steps, one after the other: the query is written from pool.tsv and the model's view of the
clips, none of which holds a label; only then does the oracle read the query and the labels.
Where people are the oracle there is no output for labels: the second step is theirs, and a query
that they were asked stays.
"""

from pathlib import Path

from after_ser.data.datasets.tables import read_labelled, read_pool
from after_ser.run.atomic import read_json, read_tsv, write_json, write_tsv
from after_ser.run.script import run_script
from after_ser.run.timing import Stopwatch
from after_ser.select.budget import queried_count
from after_ser.select.complete import expect_pool
from after_ser.select.oracle import answer, read_answers
from after_ser.select.query import make_query
from after_ser.select.registry import STRATEGIES
from after_ser.studies.annotation.unscored import asked_before


def compute_features(snakemake, pool, known, seed_parts):
    """Return what the strategy is shown besides pool.tsv, and the device it was computed on."""
    from after_ser.run.device import (
        choose_device,
        device_name,
        make_deterministic,
        set_threads,
    )
    from after_ser.select.features import Inputs, compute

    p, entry = snakemake.params, STRATEGIES[snakemake.wildcards.strategy]
    set_threads(p.threads)
    make_deterministic()
    device = choose_device(p.device)
    files = {name: list(snakemake.input[name]) for name in entry.reads}
    inputs = Inputs(list(pool["utt"]), list(known["utt"]), files, seed_parts, device)
    return compute(entry, inputs, p.options), device_name(device)


def choose(snakemake, pool, known, given):
    """Return the query among the pool's clips, and the device it was made on.

    `given` of the known clips are labels that people brought along, which no round has chosen.
    """
    w, p = snakemake.wildcards, snakemake.params
    parts = (w.dataset, int(w.fold), w.init, int(w.seed), w.start, w.strategy, int(w.round))
    seed_parts = ("query", *parts)
    features, device = {}, "cpu"
    if STRATEGIES[w.strategy].reads:
        features, device = compute_features(snakemake, pool, known, seed_parts)
    query = make_query(
        pool,
        w.strategy,
        queried_count(p.fraction, len(known) - given, len(pool)),
        seed_parts,
        options=p.options,
        features=features,
        selection=read_json(snakemake.input.settings).get("selection", "top-k"),
    )
    return query, device


def main(snakemake):
    watch = Stopwatch()
    w, p, out = snakemake.wildcards, snakemake.params, snakemake.output
    labelled, manifest = Path(snakemake.input.labelled), Path(snakemake.input.manifest)
    known, pool = read_labelled(labelled, p.classes), read_pool(snakemake.input.pool)
    # the fold is where the pool came from, and lies beside the manifest
    fold = manifest.with_name(f"fold{w.fold}.tsv")
    expect_pool(Path(snakemake.input.pool), pool, known, labelled, fold)
    answers = snakemake.input.get("answers")
    said = read_json(answers) if answers else {"given": 0, "left_out": []}
    query, device = asked_before(p.get("frozen")), "cpu"
    if query is None:
        pool = pool[~pool["utt"].isin(list(said["left_out"]))]
        with watch.computing():
            query, device = choose(snakemake, pool, known, said["given"])
    write_tsv(out.query, query, "%.9g")
    write_json(out.timing, watch.read("query", device, 1))
    if out.get("labelled") is not None:
        oracle = read_answers(manifest, p.classes, p.oracle, w.dataset)
        answered = answer(read_tsv(out.query), known, oracle.labels, int(w.round), oracle.votes)
        write_tsv(out.labelled, answered)


run_script(main, globals())
