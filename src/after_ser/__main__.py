"""Commands around the workflow: `python -m after_ser <command>`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import yaml

from after_ser.config.resolve import resolve
from after_ser.core.errors import InputError
from after_ser.core.paths import Paths
from after_ser.run.gpu import usable_gpus
from after_ser.studies.annotation.command import ask_people
from after_ser.tools.export.command import add_export
from after_ser.tools.plan.command import add_plan
from after_ser.tools.predict.command import add_predict
from after_ser.tools.prune import prune
from after_ser.tools.resume import resume, run_command


def main(arguments: list[str]) -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m after_ser")
    commands = parser.add_subparsers(dest="command", required=True)
    preset = commands.add_parser(
        "choose-preset",
        help="print the first preset if its backbone can be downloaded, else the second",
    )
    preset.add_argument("preferred")
    preset.add_argument("fallback")
    report = commands.add_parser(
        "report", help="write results/<run>/report.html unless it is up to date"
    )
    report.add_argument("run")
    pruning = commands.add_parser(
        "prune", help="empty the models of all but the last round (keep_models: last)"
    )
    pruning.add_argument("run")
    gpus = commands.add_parser(
        "gpu-resources", help="print Snakemake's --resources gpu=N for this machine, if it has GPUs"
    )
    gpus.add_argument("configfile")
    documenting = commands.add_parser(
        "config-docs", help="write docs/config.md and config/schema.json from the config's models"
    )
    documenting.add_argument(
        "--check", action="store_true", help="only check that they are up to date"
    )
    quoting = commands.add_parser("quoted", help="quote a text so that --config takes it unchanged")
    quoting.add_argument("text")
    resuming = commands.add_parser(
        "resume",
        allow_abbrev=False,
        help="continue an interrupted run; more arguments replace those it was started with",
    )
    resuming.add_argument("--run", default="", help="name of the run; default: the last one")
    add_export(commands)
    add_predict(commands)
    add_plan(commands)
    own = commands.add_parser("own", help="label a folder of audio; more arguments go to Snakemake")
    own.add_argument("configfile")
    own.add_argument("audio")
    given, rest = parser.parse_known_args(arguments)
    try:
        if hasattr(given, "run_command"):  # of a module of its own; nothing is left for Snakemake
            if rest:
                parser.error(f"unrecognized arguments: {' '.join(rest)}")
            return int(given.run_command(given))
        if given.command == "gpu-resources":
            print(" ".join(gpu_resources(Path(given.configfile))))
            return 0
        if given.command == "config-docs":
            from after_ser.config.docs import write

            write(check=given.check)
            return 0
        if given.command == "quoted":
            # Snakemake strips outer quotes and reads the rest as YAML: tag and comment shield them
            print(f"!!str {json.dumps(given.text, ensure_ascii=False)} #")
            return 0
        if given.command == "choose-preset":
            print(choose_preset(Path(given.preferred), Path(given.fallback)))
            return 0
        if given.command == "prune":
            config = yaml.safe_load(Path(Paths(given.run).config).read_text())
            count, freed = prune(config)
            print(f"{count} models emptied, {freed / 1e6:.1f} MB freed")
            return 0
        if given.command == "own":
            run, snakemake_arguments, line = ask_people(Path(given.configfile), given.audio, rest)
            tables = Path(Paths(run).tables)
            if not tables.is_dir():
                return 0
            status = write_report(run, snakemake_arguments)
            print(line)  # again, as the last line
            return status
        if given.command == "resume":
            run_command(resume(given.run, rest))
        return write_report(given.run, rest)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def choose_preset(preferred: Path, fallback: Path) -> Path:
    """Return `preferred` where its hub backbone is reachable or cached, else `fallback`.

    The choice is printed to stderr: results of the two are not comparable.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    config = resolve(yaml.safe_load(preferred.read_text(encoding="utf-8")))
    backbone = config["backbones"][config["backbone"]]
    try:
        hf_hub_download(
            backbone["hub"], "config.json", revision=backbone["revision"], etag_timeout=5
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError):
        print(
            f"notice: {backbone['hub']} cannot be reached on the model hub: running {fallback} "
            "with a small backbone pre-trained from scratch instead",
            file=sys.stderr,
        )
        return fallback
    return preferred


def gpu_resources(configfile: Path) -> list[str]:
    """Return the arguments that let as many GPU jobs run at once as this machine has room for.

    Nothing where it has no GPU, with a notice: jobs then run on the CPU, as many as cores allow.
    """
    config = yaml.safe_load(configfile.read_text(encoding="utf-8"))
    sharing = config.get("jobs_per_gpu", 1)
    if type(sharing) is not int or sharing < 1:
        raise InputError(f"config: jobs_per_gpu: {sharing!r}; expected a whole number above 0")
    gpus = len(usable_gpus())
    if gpus:
        return ["--resources", f"gpu={gpus * sharing}"]
    print("notice: no GPU is visible, everything runs on the CPU", file=sys.stderr)
    return []


def write_report(run: str, snakemake_arguments: list[str]) -> int:
    """Write results/{run}/report.html with Snakemake, unless it is newer than every result."""
    folder = Path(Paths(run).run)
    target = folder / "report.html"
    sources = [*folder.glob("tables/*"), *folder.glob("figures/*"), folder / "config.yaml"]
    sources += folder.glob("inside/*/*.html")
    newest = max((path.stat().st_mtime for path in sources if path.exists()), default=None)
    if newest is None:
        raise InputError(f"{folder}: no tables or figures; expected the results of a finished run")
    if target.exists() and target.stat().st_mtime >= newest:
        print(f"{target} is up to date")
        return 0
    command = ["snakemake", "--report", str(target), *snakemake_arguments]
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or not target.exists():
        print(done.stderr, file=sys.stderr)
        return 1
    print(f"tables: {folder}/tables/   figures: {folder}/figures/   report: {target}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
