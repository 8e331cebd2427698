"""Wall time and memory of every acquisition strategy on a made-up pool of the paper's size.

    python benchmarks/acquisition.py --out build/acquisition.md

Each strategy runs in a process of its own, so that its peak of memory is its own: interpreter,
libraries and the pool included. The time is that of `select`, median of the repeats; what fills
the pool (scoring clips with a model) is not in it. On a machine with other work, CPU time (of all
threads together) says more than wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
#: Mean CNN latents of wav2vec 2.0 base, and parts of time of a surprisal vector.
CNN_DIMENSIONS, TIME_BINS = 512, 50


def parse() -> argparse.Namespace:
    """Read the command line; the defaults are one round of the Merged dataset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=15400, help="size of the pool")
    parser.add_argument("--labelled", type=int, default=775, help="clips labelled already")
    parser.add_argument("--k", type=int, default=775, help="clips per query")
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--dimensions", type=int, default=768, help="of an embedding")
    parser.add_argument("--passes", type=int, default=10, help="passes with dropout")
    parser.add_argument(
        "--dropout", type=float, default=0.1, help="of the passes; more makes them disagree more"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--strategies", nargs="*", help="default: all that are registered")
    parser.add_argument("--options", type=json.loads, default={}, help="of the strategies, as JSON")
    parser.add_argument("--out", help="file for the table, .md or .tsv; default: the screen, .md")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def made_up_pool(arguments: argparse.Namespace, needs: frozenset[str]) -> Any:
    """Return a view with the fields that are needed.

    Embeddings lie around one centre per class; probabilities come from a linear layer on them, and
    a pass is that layer with a dropout mask on its input, the same for the whole pool.
    """
    import numpy as np
    from scipy.special import softmax

    from after_ser.select.base import PoolView

    draw = np.random.default_rng(0)
    a, total = arguments, arguments.clips + arguments.labelled
    centres = draw.normal(0, 1, (a.classes, a.dimensions))
    owner = draw.integers(a.classes, size=total)
    # logits of about 2 for the own class, with a spread of 1.4 between clips
    embeddings = 0.05 * centres[owner] + draw.normal(0, 1, (total, a.dimensions))
    layer = 1.4 * centres.T / a.dimensions**0.5
    fields = {
        "probs": softmax(embeddings @ layer, axis=1),
        "embeddings": embeddings,
        "mc_probs": np.stack(
            [
                softmax((embeddings * kept / (1 - a.dropout)) @ layer, axis=1)
                for kept in draw.random((a.passes, a.dimensions)) >= a.dropout
            ],
            axis=1,
        ),
        "surprisal": draw.gamma(2.0, 1.0, (total, TIME_BINS)),
        "cnn_means": 0.3 * draw.normal(0, 1, (8, CNN_DIMENSIONS))[draw.integers(8, size=total)]
        + draw.normal(0, 1, (total, CNN_DIMENSIONS)),
    }
    labelled = {f"labelled_{name}": fields[name][a.clips :] for name in ("probs", "embeddings")}
    pool = {name: values[: a.clips] for name, values in fields.items()}
    utts = tuple(f"clip{index:06d}" for index in range(a.clips))
    return PoolView(utts, {name: (pool | labelled)[name].copy() for name in needs})


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return one strategy's seconds, peak of memory, and what it says about its picks."""
    import numpy as np

    from after_ser.select.registry import STRATEGIES, strategy

    name = arguments.child
    pool = made_up_pool(arguments, [one.name for one in STRATEGIES[name].features])
    chosen = strategy(name, arguments.options.get(name))
    seconds, cpu, picks = [], [], set()
    for _ in range(arguments.repeats):
        start, start_cpu = time.perf_counter(), time.process_time()
        selection = chosen.select(pool, arguments.k, np.random.default_rng(1))
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
        picks.add(tuple(selection.indices))
    if len(picks) != 1 or len(set(picks.pop())) != arguments.k:
        raise SystemExit(f"{name}: repeats differ, or not {arguments.k} different clips")
    remark = ""
    if "picked_by" in selection.details:
        own = list(selection.details["picked_by"]).count(name)
        gains = [float(gain) for gain in selection.details["information_gain"]]
        remark = (
            f"{own} picks of its own ({sum(gains[:own]):.2f} nats), then PowerBALD "
            f"({sum(gains[own:]):.2f} nats)"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB on Linux
    return {
        "seconds": statistics.median(seconds),
        "cpu_seconds": statistics.median(cpu),
        "peak_gib": peak,
        "remark": remark,
    }


def table(rows: list[dict[str, Any]], markdown: bool) -> str:
    """Return the rows as a Markdown table or as TSV."""
    heads = ["strategy", "seconds", "cpu_seconds", "peak_gib", "remark"]
    formats = ["{}", "{:.3f}", "{:.3f}", "{:.2f}", "{}"]
    cells = [
        [form.format(row[head]) for head, form in zip(heads, formats, strict=True)] for row in rows
    ]
    if not markdown:
        return "\n".join("\t".join(line) for line in [heads, *cells]) + "\n"
    titles = ["strategy", "time, s", "CPU time, s", "peak memory, GiB", "remark"]
    lines = [titles, ["---"] * len(titles), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main() -> None:
    """Measure one strategy, or start a process for each."""
    arguments = parse()
    if arguments.child:
        print(json.dumps(measure(arguments)))
        return
    from after_ser.select.registry import STRATEGIES

    environment = os.environ | dict.fromkeys(THREADS, str(arguments.threads))
    rows = []
    for name in arguments.strategies or STRATEGIES:
        command = [sys.executable, *sys.argv, "--child", name]
        done = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        rows.append({"strategy": name, **json.loads(done.stdout)})
        print(f"{name}: {rows[-1]['seconds']:.3f} s", file=sys.stderr, flush=True)
    text = table(rows, markdown=not (arguments.out or "").endswith(".tsv"))
    if arguments.out:
        from after_ser.run.atomic import write_text

        write_text(arguments.out, text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
