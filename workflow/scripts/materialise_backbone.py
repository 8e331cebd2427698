"""Bring a hub or local checkpoint into the results folder."""

from pathlib import Path

from after_ser.model.materialise import materialise_folder, materialise_hub
from after_ser.run.script import run_script


def main(snakemake):
    backbone = snakemake.params.backbone
    out = Path(snakemake.output.weights).parent
    if "hub" in backbone:
        materialise_hub(backbone["hub"], backbone["revision"], out)
    else:
        materialise_folder(backbone["folder"], out)


run_script(main, globals())
