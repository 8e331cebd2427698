"""Fetch the open corpora, and say whom to ask for the others."""

import sys
from pathlib import Path

from after_ser.core.errors import InputError
from after_ser.run.script import run_script
from after_ser.tools.download.config import Patience
from after_ser.tools.download.corpus import CorpusDownload
from after_ser.tools.download.fetch import Fetcher
from after_ser.tools.download.plan import chosen, corpus_folders, explanation, read_plan


def main(snakemake):
    p = snakemake.params
    plan = read_plan(p.plan)
    names = chosen(plan, list(p.names))
    folders = corpus_folders(p.config, plan)
    fetcher = Fetcher(Patience(**plan["patience"]))
    failed = []
    for name in names:
        try:
            line = CorpusDownload(name, plan["corpora"][name], Path(folders[name]), fetcher).run()
        except InputError as error:
            failed.append(name)
            line = f"error: {name}: {error}"
        print(line, file=sys.stderr)
    for name in plan["asked_for"]:
        print(explanation(plan, name), file=sys.stderr)
    if failed:
        raise InputError(
            f"download: {', '.join(failed)} could not be fetched (reasons above); give the same "
            "command again to go on"
        )


run_script(main, globals())
