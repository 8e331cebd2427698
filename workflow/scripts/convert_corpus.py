"""Convert a corpus to 16 kHz mono FLAC; clips that cannot be used go to the rejects."""

from after_ser.data.audio.convert import convert_corpus
from after_ser.run.script import run_script


def main(snakemake):
    convert_corpus(
        snakemake.input.index,
        snakemake.output.audio,
        snakemake.output.manifest,
        snakemake.output.rejected,
        workers=snakemake.threads,
    )


run_script(main, globals())
