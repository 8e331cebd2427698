"""A dataset's folds -> the audit (a violation stops the run) and Table 1's counts."""

from pathlib import Path

from after_ser.data.datasets.audit import audit_folds, check_audit
from after_ser.data.datasets.composition import composition
from after_ser.run.atomic import read_tsv, write_json, write_tsv
from after_ser.run.script import run_script


def main(snakemake):
    params = snakemake.params
    manifest = read_tsv(snakemake.input.manifest)
    folds = dict(zip(params.folds, map(read_tsv, snakemake.input.folds), strict=True))
    away = dict(zip(params.folds, map(read_tsv, snakemake.input.balance), strict=True))
    listed = getattr(snakemake.input, "injected", [])
    injected = read_tsv(listed) if listed else None
    split = snakemake.wildcards.split
    audit = audit_folds(manifest, folds, away, params.target, params.classes, injected, split)
    # Snakemake deletes the outputs of a failed job, so a failing audit gets a name of its own.
    failed = Path(snakemake.output.audit).with_name("audit.failed.json")
    if audit["violations"]:
        write_json(failed, audit)
        check_audit(audit, failed)
    failed.unlink(missing_ok=True)
    write_json(snakemake.output.audit, audit)
    if injected is not None:  # Table 1 counts the corpora's own clips
        added = set(injected["utt"])
        manifest = manifest[~manifest["utt"].isin(added)]
        folds = {number: fold[~fold["utt"].isin(added)] for number, fold in folds.items()}
    write_tsv(snakemake.output.composition, composition(manifest, folds, params.classes))


run_script(main, globals())
