"""Write a synthetic corpus in an official layout, or unlabelled speech for pre-training."""

from after_ser.run.script import run_script
from after_ser.tools.synthesis.write import PRETRAINING, write_corpus, write_pretraining_speech


def main(snakemake):
    params = snakemake.params
    if params.layout == PRETRAINING:
        write_pretraining_speech(snakemake.output.root, params.clips, params.seed)
    else:
        write_corpus(
            params.layout,
            snakemake.output.root,
            clips=params.clips,
            speakers=params.speakers,
            seed=params.seed,
        )


run_script(main, globals())
