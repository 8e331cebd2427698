"""Scores of all cells, then the tables and figures that the config asks for.

src/after_ser/judge/registry.py says what each one reads and which function makes it.

REQUIRES metrics.json and timing.json of every cell, and what judge/sources.py names
MAKES results/{run}/{config.yaml,scores.tsv,times.tsv}, results/{run}/{tables,figures}/
"""

from after_ser.config.resolved import kept_config
from after_ser.core.people import is_own
from after_ser.judge.grid import score_files
from after_ser.judge.registry import labels_of, shown_in
from after_ser.judge.sources import inputs_of

TABLES = shown_in("tables", CONFIG)
FIGURES = shown_in("figures", CONFIG)
# workflow/report/caption.rst finds them here
config["captions"] = {
    entry.rule: " ".join(entry.caption.split()) for entry, _ in TABLES + FIGURES
}

# The cells of each arm's largest budget, by (dataset, arm).
LARGEST = {}
for cell in EVALUATED:
    LARGEST.setdefault((cell.dataset, cell.arm), []).append(cell)
for key, own in LARGEST.items():
    LARGEST[key] = [cell for cell in own if cell.round == max(c.round for c in own)]
# The backbones of cells, or the run's own where it has no tables.
USED = {cell.backbone for cell in CELLS}
if not TABLES and not FIGURES:
    USED = {CONFIG["backbone"]}

if EVALUATED or not is_own(CONFIG):
    TARGETS += [
        f"{paths.tables}/{name}.{suffix}"
        for _, names in TABLES
        for name in names
        for suffix in ("tsv", "md", "tex", "html")
    ]
TARGETS += [
    f"{paths.figures}/{name}.{suffix}"
    for _, names in FIGURES
    for name in names
    for suffix in ("svg", "png", "html", "tsv")
]
TARGETS += [
    f"{paths.figures}/pretraining/{backbone}.{suffix}"
    for backbone in sorted(USED & set(PRETRAINING))
    for suffix in ("svg", "png")
]
# People's own speech has no test clips, and so no scores of them.
if not is_own(CONFIG):
    TARGETS += [paths.scores] if EVALUATED else []
    TARGETS += [
        f"{paths.figures}/confusion/{dataset}/{arm}.png" for dataset, arm in LARGEST
    ]


rule save_config:
    output:
        config=paths.config,
    log:
        f"{paths.logs}/save_config.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        config=lambda w: kept_config(CONFIG),
    message:
        "Saving the resolved configuration of {RUN}"
    script:
        "../workflow/scripts/save_config.py"


rule gather_scores:
    input:
        files=lambda w: score_files(EVALUATED),
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
            unpack(partial(inputs_of, CONFIG, EVALUATED, "tables", table)),
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
                labels=partial(labels_of, "table", table),
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
            "../workflow/scripts/report.py"


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
            unpack(partial(inputs_of, CONFIG, EVALUATED, "figures", figure)),
            config=paths.config,
        output:
            svg=f"{file}.svg",
            png=report(
                f"{file}.png",
                caption="../workflow/report/caption.rst",
                category="Figures",
                labels=partial(labels_of, "figure", figure, drawing="png"),
            ),
            html=report(
                f"{file}.html",
                caption="../workflow/report/caption.rst",
                category="Figures",
                labels=partial(labels_of, "figure", figure, drawing="interactive"),
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
            "../workflow/scripts/report.py"


rule confusion:
    input:
        config=paths.config,
        metrics=lambda w: [cell.metrics for cell in LARGEST[w.dataset, w.arm]],
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
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="confusion-2",
    message:
        "Confusion matrix of {wildcards.arm} on {wildcards.dataset}"
    script:
        "../workflow/scripts/confusion.py"
