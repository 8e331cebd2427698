"""Frozen CNN outputs of the beginnings of a corpus's clips that the few-shot study hears."""

from pathlib import Path

from after_ser.model.latents import extract_latents
from after_ser.run.atomic import read_tsv
from after_ser.run.script import run_script
from after_ser.studies.fewshot.sources import chosen


def main(snakemake):
    p, given = snakemake.params, snakemake.input
    manifest = read_tsv(given.manifest)
    utts = set()
    for one in p.selections:
        utts.update(
            chosen(manifest, one["speakers"], one["labels"], f"fewshot ({p.corpus})")["utt"]
        )
    extract_latents(
        backbone_folder=Path(given.weights).parent,
        manifest_tsv=given.manifest,
        utts=utts,
        out_folder=Path(snakemake.output.latents).parent,
        device=p.device,
        threads=p.threads,
        audio_root=Path(given.manifest).parent,
        longest_s=p.longest_s,
    )


run_script(main, globals())
