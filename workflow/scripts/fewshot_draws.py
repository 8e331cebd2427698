"""The clips that every few-shot task is trained, selected and tested on, and what is left out."""

from after_ser.run.atomic import read_tsv, write_tsv
from after_ser.run.script import run_script
from after_ser.studies.fewshot.draws import draw_tasks


def main(snakemake):
    p, out = snakemake.params, snakemake.output
    draws, left_out = draw_tasks(
        read_tsv(snakemake.input.manifest),
        p.target["corpus"],
        p.target["speakers"],
        p.target.get("labels"),
        p.k,
        p.trials,
        p.val_clips,
        p.test_clips,
        p.seed,
    )
    write_tsv(out.draws, draws)
    write_tsv(out.left_out, left_out)


run_script(main, globals())
