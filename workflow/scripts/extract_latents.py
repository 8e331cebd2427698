"""Frozen CNN outputs of a dataset's clips."""

from pathlib import Path

from after_ser.model.latents import extract_latents
from after_ser.run.script import run_script


def main(snakemake):
    extract_latents(
        backbone_folder=Path(snakemake.input.weights).parent,
        manifest_tsv=snakemake.input.manifest,
        utts=None,
        out_folder=Path(snakemake.output.latents).parent,
        device=snakemake.params.device,
        threads=snakemake.params.threads,
        precision=getattr(snakemake.params, "precision", "float16"),
    )


run_script(main, globals())
