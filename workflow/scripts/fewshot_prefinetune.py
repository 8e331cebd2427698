"""Pre-finetune the backbone on a combination of source corpora."""

from contextlib import ExitStack
from pathlib import Path

from after_ser.model.latents import Latents
from after_ser.run.atomic import read_tsv
from after_ser.run.script import run_script
from after_ser.studies.fewshot.prefinetune import prefinetune
from after_ser.studies.fewshot.sources import check_apart, chosen, split_source


def main(snakemake):
    p, given = snakemake.params, snakemake.input
    target = chosen(read_tsv(given.target), p.target["speakers"], None, "fewshot.target")
    rows = {}
    for corpus, manifest in zip(p.corpora, given.manifests, strict=True):
        one, where = p.sources[corpus], f"fewshot.sources.{corpus}"
        rows[corpus] = chosen(read_tsv(manifest), one.get("speakers"), one.get("labels"), where)
    layouts = {corpus: (rows[corpus], p.layouts[corpus]) for corpus in p.corpora}
    check_apart(target, p.layouts[p.target["corpus"]], layouts)
    with ExitStack() as stack:
        prefinetune(
            start=Path(given.weights).parent,
            sources=[split_source(c, rows[c], p.val_share, p.seed) for c in p.corpora],
            latents={
                corpus: stack.enter_context(Latents(Path(path).parent))
                for corpus, path in zip(p.corpora, given.latents, strict=True)
            },
            settings=p.settings,
            seed=p.seed,
            out_folder=Path(snakemake.output.weights).parent,
            state_folder=p.state,
            device=p.device,
            threads=p.threads,
        )


run_script(main, globals())
