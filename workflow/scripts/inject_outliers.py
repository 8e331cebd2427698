"""A dataset's own manifest -> the same with near-duplicates and foreign clips, and their list."""

import shutil
from pathlib import Path

from after_ser.data.datasets.folds import make_fold
from after_ser.run.atomic import read_tsv, write_tsv
from after_ser.run.script import run_script
from after_ser.studies.outliers.inject import foreign_rows, inject


def main(snakemake):
    params, given, out = snakemake.params, snakemake.input, snakemake.output
    settings = params.settings
    own = read_tsv(given.manifest)
    folds, val = settings["folds"], settings["val"]
    trains = []
    # every fold that there is, so that running more of them changes no clip
    for number in range(1, folds["groups"] + 1):
        fold = make_fold(
            own,
            number,
            params.dataset,
            settings["target"],
            params.classes,
            by=folds["by"],
            groups=folds["groups"],
            val_share=val["share"],
            val_extra=val["extra"],
            balance=settings["balance"],
        ).splits
        trains.append(fold.loc[fold["split"] == "train", "utt"])
    foreign = None
    if given.foreign:
        corpus = settings["inject"]["foreign"]["corpus"]
        path = Path(given.foreign[0] if isinstance(given.foreign, list) else given.foreign)
        foreign = foreign_rows(corpus, read_tsv(path), path.parent, params.reserved)
    folder = Path(out.audio)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    manifest, injected = inject(
        own,
        trains,
        foreign,
        settings["inject"],
        params.dataset,
        params.classes,
        folder,
        folder,
    )
    write_tsv(out.manifest, manifest)
    write_tsv(out.injected, injected)


run_script(main, globals())
