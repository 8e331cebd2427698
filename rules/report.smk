"""Scores of all cells, then the tables and figures that the config asks for.

What a table or figure is made of and by stands in src/after_ser/reporting/registry.py.

REQUIRED INPUTS: metrics.json and timing.json of every cell, and what reporting/sources.py names
OUTPUTS: results/{run}/{config.yaml,scores.tsv,times.tsv}, results/{run}/{tables,figures}/
"""

from after_ser.evaluation.resolved import read_config
from after_ser.reporting.registry import shown_in
from after_ser.reporting.sources import Wanted, source_files

TABLES = shown_in("tables", CONFIG)
FIGURES = shown_in("figures", CONFIG)
# workflow/report/caption.rst finds them here
config["captions"] = {
    entry.rule: " ".join(entry.caption.split()) for entry, _ in TABLES + FIGURES
}


@cache
def scored_cells():
    """Every evaluated cell of the config; of a run that asks people, those they have answered."""
    return [cell for cell in cells(CONFIG) if PEOPLE.answered(cell)]


@cache
def last_cells():
    """The cells of each arm's largest budget, by (dataset, arm)."""
    by_arm = {}
    for cell in scored_cells():
        by_arm.setdefault((cell.dataset, cell.arm), []).append(cell)
    return {
        key: [cell for cell in own if cell.round == max(c.round for c in own)]
        for key, own in by_arm.items()
    }


def metrics_files():
    """The metrics.json of every cell."""
    return list({cell.metrics: None for cell in scored_cells()})


def score_files(wildcards):
    """The metrics and timing files that scores.tsv and times.tsv are made of."""
    found = {}
    for cell in scored_cells():
        found[cell.metrics] = None
        found.update((path, None) for _, path in cell.lineage)
    return list(found)


def table_files():
    """Every table of the config, in all its formats, and the scores behind them."""
    files = [
        f"{paths.tables}/{name}.{suffix}"
        for _, names in TABLES
        for name in names
        for suffix in ("tsv", "md", "tex", "html")
    ]
    if is_own(CONFIG):  # no test clips, hence no scores of them
        return files if scored_cells() else []
    files += [paths.scores] if scored_cells() else []
    return files + ([paths.baseline_scores] if baseline_files() else [])


def figure_files():
    """Every figure of the config, in all its formats, and a confusion matrix per arm."""
    files = [
        f"{paths.figures}/{name}.{suffix}"
        for _, names in FIGURES
        for name in names
        for suffix in ("svg", "png", "html", "tsv")
    ]
    files += [
        f"{paths.figures}/pretraining/{backbone}.{suffix}"
        for backbone in pretrained_here()
        for suffix in ("svg", "png")
    ]
    return files + [
        f"{paths.figures}/confusion/{dataset}/{arm}.png"
        for dataset, arm in last_cells()
        if not is_own(CONFIG)
    ]


def pretrained_here():
    """The backbones that this run pre-trains: its cells', or its own where it has no tables."""
    used = {cell.backbone for cell in cells(CONFIG)}
    if not TABLES and not FIGURES:
        used = {CONFIG["backbone"]}
    return sorted(used & set(SCRATCH))


def inputs_of(section, entry):
    """The function that returns the inputs of a table or figure, by name."""

    def inputs(wildcards):
        item = CONFIG[section][wildcards.get("name", entry.name)]
        wanted = Wanted(CONFIG, item, scored_cells())
        return source_files((*entry.reads, *entry.unread), wanted)

    return inputs


def labels_of(kind, entry, **more):
    """The function that returns what the report calls a table or figure."""

    def labels(wildcards):
        return {kind: entry.label_of(wildcards.get("name", entry.name)), **more}

    return labels


def saved_config(wildcards):
    """The configuration as it is kept with the results: as it lies there, if that says the same.

    Snakemake compares params as text, and the order of keys is no setting.
    """
    new = step_settings.saved(CONFIG)
    try:
        old = read_config(paths.config)
    except (OSError, InputError):
        return new
    return old if old == new else new


rule save_config:
    output:
        config=paths.config,
    log:
        f"{paths.logs}/save_config.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        config=saved_config,
    message:
        "Saving the resolved configuration of {RUN}"
    script:
        "../workflow/scripts/save_config.py"


rule gather_scores:
    input:
        files=score_files,
        config=paths.config,
    output:
        scores=paths.scores,
        times=paths.times,
    log:
        f"{paths.logs}/gather_scores.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="gather-1",
    message:
        "Gathering the scores and times of {RUN}"
    script:
        "../workflow/scripts/gather_scores.py"


for table, names in TABLES:
    # a table without variants has no wildcard, so that its rule can be asked for by name
    name, shown = (
        ("{name}", "{wildcards.name}") if table.variants else (table.name, table.rule)
    )
    file = f"{paths.tables}/{name}"

    rule:
        name:
            table.rule
        input:
            unpack(inputs_of("tables", table)),
            config=paths.config,
        output:
            **{key: file + ending for key, ending in table.also.items()},
            tsv=f"{file}.tsv",
            md=f"{file}.md",
            tex=f"{file}.tex",
            html=report(
                f"{file}.html",
                caption="../workflow/report/caption.rst",
                category="Tables",
                labels=labels_of("table", table),
            ),
        log:
            f"{paths.logs}/{name}{table.suffix}.log",
        wildcard_constraints:
            name=one_of(names),
        localrule: True
        conda:
            "../envs/environment.yaml"
        params:
            method_version=table.version,
        message:
            f"{shown} of {RUN}"
        script:
            "../workflow/scripts/table.py"


for figure, names in FIGURES:
    name, shown = (
        ("{name}", "{wildcards.name}")
        if figure.variants
        else (figure.name, figure.rule)
    )
    file = f"{paths.figures}/{name}"

    rule:
        name:
            figure.rule
        input:
            unpack(inputs_of("figures", figure)),
            config=paths.config,
        output:
            svg=f"{file}.svg",
            png=report(
                f"{file}.png",
                caption="../workflow/report/caption.rst",
                category="Figures",
                labels=labels_of("figure", figure, format="png"),
            ),
            html=report(
                f"{file}.html",
                caption="../workflow/report/caption.rst",
                category="Figures",
                labels=labels_of("figure", figure, format="interactive"),
            ),
            tsv=f"{file}.tsv",
        log:
            f"{paths.logs}/{name}{figure.suffix}.log",
        wildcard_constraints:
            name=one_of(names),
        localrule: True
        conda:
            "../envs/environment.yaml"
        params:
            method_version=figure.version,
        message:
            f"{shown} of {RUN}"
        script:
            "../workflow/scripts/figure.py"


rule confusion:
    input:
        config=paths.config,
        metrics=lambda w: [cell.metrics for cell in last_cells()[w.dataset, w.arm]],
    output:
        png=report(
            f"{paths.figures}/confusion/{{dataset}}/{{arm}}.png",
            caption="../workflow/report/confusion.rst",
            category="Figures",
            subcategory="Confusion matrices",
            labels={"dataset": "{dataset}", "arm": "{arm}"},
        ),
        svg=f"{paths.figures}/confusion/{{dataset}}/{{arm}}.svg",
        tsv=f"{paths.figures}/confusion/{{dataset}}/{{arm}}.tsv",
    log:
        f"{paths.logs}/confusion/{{dataset}}/{{arm}}.log",
    wildcard_constraints:
        arm="[A-Za-z][A-Za-z0-9-]*",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="confusion-2",
    message:
        "Confusion matrix of {wildcards.arm} on {wildcards.dataset}"
    script:
        "../workflow/scripts/confusion.py"
