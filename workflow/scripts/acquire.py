"""One acquisition: query the pool of the round before, then let the oracle answer.

Two steps, one after the other: the query is written from pool.tsv and the model's view of the
clips, none of which holds a label; only then does the oracle read the query and the labels.
Where people are the oracle, the second step is theirs; a query that they were asked stays.
"""

from pathlib import Path

from after_ser.acquisition.budget import queried_count
from after_ser.acquisition.complete import expect_pool
from after_ser.acquisition.oracle import answer, read_answers
from after_ser.acquisition.query import make_query
from after_ser.acquisition.registry import STRATEGIES
from after_ser.datasets.tables import read_labelled, read_pool
from after_ser.runtime.atomic import read_json, read_tsv, write_json, write_tsv
from after_ser.runtime.timing import Stopwatch


def query(pool, known, fraction, strategy, seed_parts, options, features, selection, out):
    """Write query.tsv from the pool's scores and features."""
    k = queried_count(fraction, known, len(pool))
    found = make_query(
        pool,
        strategy,
        k,
        seed_parts,
        options=options,
        features=features,
        selection=selection,
    )
    write_tsv(out, found, "%.9g")


def compute_features(snakemake, pool, known, seed_parts):
    """Return what the strategy is shown besides pool.tsv, and the device it was computed on."""
    from after_ser.acquisition.features import Inputs, compute
    from after_ser.runtime.device import (
        choose_device,
        device_name,
        make_deterministic,
        set_threads,
    )

    p, entry = snakemake.params, STRATEGIES[snakemake.wildcards.strategy]
    set_threads(p.threads)
    make_deterministic()
    device = choose_device(p.device)
    files = {name: list(snakemake.input[name]) for name in entry.reads}
    inputs = Inputs(list(pool["utt"]), list(known["utt"]), files, seed_parts, device)
    return compute(entry, inputs, p.options), device_name(device)


def ask_oracle(query_path, known, answers, round_index, out):
    """Write labelled.tsv: what was known and the answers to query.tsv."""
    write_tsv(out, answer(read_tsv(query_path), known, answers.labels, round_index, answers.votes))


def main(snakemake):
    watch = Stopwatch()
    w, p = snakemake.wildcards, snakemake.params
    known = read_labelled(snakemake.input.labelled, p.classes)
    pool = read_pool(snakemake.input.pool)
    # the fold is where the pool came from, and lies beside the manifest
    fold = Path(snakemake.input.manifest).with_name(f"fold{w.fold}.tsv")
    expect_pool(Path(snakemake.input.pool), pool, known, Path(snakemake.input.labelled), fold)
    asks = snakemake.output.get("labelled") is None
    given = 0
    if asks:
        said = read_json(snakemake.input.answers)
        given, pool = said["given"], pool[~pool["utt"].isin(list(said["left_out"]))]
        if Path(p.frozen).exists():
            write_tsv(snakemake.output.query, read_tsv(p.frozen))
            write_json(snakemake.output.timing, watch.read("query", "cpu", 1))
            return
    settings = read_json(snakemake.input.settings)
    parts = (w.dataset, int(w.fold), w.init, int(w.seed), w.start, w.strategy, int(w.round))
    seed_parts = ("query", *parts)
    features, device = {}, "cpu"
    with watch.computing():
        if STRATEGIES[w.strategy].reads:
            features, device = compute_features(snakemake, pool, known, seed_parts)
        out = snakemake.output.query
        query(
            pool,
            len(known) - given,
            p.fraction,
            w.strategy,
            seed_parts,
            p.options,
            features,
            settings.get("selection", "top-k"),
            out,
        )
    write_json(snakemake.output.timing, watch.read("query", device, 1))
    if asks:
        return
    ask_oracle(
        snakemake.output.query,
        known,
        read_answers(snakemake.input.manifest, p.classes, p.oracle, w.dataset),
        int(w.round),
        snakemake.output.labelled,
    )


if __name__ == "__main__":
    from after_ser.runtime.script import run_script

    run_script(main, globals())
