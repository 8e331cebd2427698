"""One round's model, its start's CNN and the fold's test clips -> scores by condition and level."""

from pathlib import Path

from after_ser.data.datasets.tables import read_fold, read_manifest
from after_ser.learn.finetune.round import read_split
from after_ser.model.classifier import load_classifier
from after_ser.model.registry import family_of
from after_ser.run.atomic import read_json, read_tsv, write_tsv
from after_ser.run.device import choose_device, make_deterministic, set_threads
from after_ser.run.script import run_script
from after_ser.studies.robustness.score import ClipFiles, robustness


def main(snakemake):
    given, p = snakemake.input, snakemake.params
    set_threads(p.threads)
    make_deterministic()
    device = choose_device(p.device)
    manifest = read_manifest(given.manifest)
    split = read_split(read_fold(given.fold, set(manifest["utt"])), manifest)
    paths = dict(zip(manifest["utt"], manifest["path"], strict=True))
    start = Path(given.start).parent
    model = load_classifier(Path(given.model), Path(given.config))
    result = robustness(
        model=model,
        stem=family_of(start).stem(start, device),
        test=split.test,
        truth=split.held_out_labels,
        paths=paths,
        others=ClipFiles([paths[utt] for utt in split.train]),
        conditions=p.conditions,
        recorded=read_tsv(given.predictions),
        recorded_ua=read_json(given.metrics)["test"]["ua"],
        device=device,
        precision=getattr(p, "precision", "float16"),
    )
    write_tsv(snakemake.output.scores, result)


run_script(main, globals())
