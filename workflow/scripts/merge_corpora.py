"""Corpus manifests -> the dataset's manifest and what was dropped, with reasons."""

from pathlib import Path

from after_ser.data.corpora.registry import corpus_adapter
from after_ser.data.datasets.merge import CorpusPart, merge_corpora
from after_ser.data.datasets.own import OWN
from after_ser.run.atomic import read_tsv, write_tsv
from after_ser.run.script import run_script


def main(snakemake):
    params = snakemake.params
    paths = zip(params.corpora, snakemake.input.manifests, snakemake.input.rejected, strict=True)
    parts = [
        CorpusPart(
            name=name,
            manifest=read_tsv(manifest),
            rejected=read_tsv(rejected),
            audio_root=Path(manifest).parent,
            rejected_path=rejected,
            default_labels=corpus_adapter(params.layouts[name]).default_labels,
            labels=params.labels.get(name) or {},
            reserved=params.reserved.get(name) or (),
            max_rejected_share=params.max_rejected_share[name],
            exact_names=name in params.exact_names,
        )
        for name, manifest, rejected in paths
    ]
    manifest, dropped = merge_corpora(parts, params.classes, snakemake.wildcards.split == OWN)
    write_tsv(snakemake.output.manifest, manifest)
    write_tsv(snakemake.output.dropped, dropped)


run_script(main, globals())
