"""One acquisition: query the pool of the round before, then let the oracle answer.

Two steps, one after the other: the query is written from pool.tsv, which holds no label; only
then does the oracle read the query and the labels.
"""

from after_ser.acquisition.budget import labelled_count
from after_ser.acquisition.oracle import answer
from after_ser.acquisition.query import make_query
from after_ser.runtime.atomic import read_tsv, write_json, write_tsv
from after_ser.runtime.timing import Stopwatch


def query(pool_path, known_count, fraction, strategy, seed_parts, out):
    """Write query.tsv from the pool's scores."""
    pool = read_tsv(pool_path)
    for column in pool.columns[1:]:
        pool[column] = pool[column].astype(float)
    k = labelled_count(fraction, known_count + len(pool)) - known_count
    write_tsv(out, make_query(pool, strategy, k, seed_parts), "%.9g")


def ask_oracle(query_path, known, manifest_path, round_index, out):
    """Write labelled.tsv: what was known and the answers to query.tsv."""
    truth = read_tsv(manifest_path).set_index("utt")["label"].to_dict()
    write_tsv(out, answer(read_tsv(query_path), known, truth, round_index))


def main(snakemake):
    watch = Stopwatch()
    w, p = snakemake.wildcards, snakemake.params
    known = read_tsv(snakemake.input.labelled)
    parts = (w.dataset, int(w.fold), w.init, int(w.seed), w.start, w.strategy, int(w.round))
    with watch.computing():
        query(
            snakemake.input.pool,
            len(known),
            p.fraction,
            w.strategy,
            ("query", *parts),
            snakemake.output.query,
        )
    write_json(snakemake.output.timing, watch.read("query", "cpu", 1))
    ask_oracle(
        snakemake.output.query,
        known,
        snakemake.input.manifest,
        int(w.round),
        snakemake.output.labelled,
    )


if __name__ == "__main__":
    from after_ser.runtime.script import run_script

    run_script(main, globals())
