"""Index a corpus: every clip of the release, with its labels and the hash of its bytes."""

from after_ser.data.corpora.index import index_corpus
from after_ser.run.script import run_script


def main(snakemake):
    params = snakemake.params
    index_corpus(params.corpus, params.layout, params.root, params.options, snakemake.output.index)


run_script(main, globals())
