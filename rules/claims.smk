"""The paper's claims, each with this run's effect and a verdict.

REQUIRED INPUTS: results/{run}/{config.yaml,scores.tsv,times.tsv}, tables/outliers.tsv where the
config has that table
OUTPUTS: results/{run}/tables/claims.*, claims_parts.tsv
"""


rule claims:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=f"results/{RUN}/scores.tsv",
        times=f"results/{RUN}/times.tsv",
        outliers=[f"{TABLE}/outliers.tsv"] if "outliers" in TABLES else [],
        baselines=f"results/{RUN}/baseline_scores.tsv" if "table3" in TABLES else [],
        summaries=lambda w: summaries_of("claims"),
    output:
        tsv=f"{TABLE}/claims.tsv",
        parts=f"{TABLE}/claims_parts.tsv",
        md=f"{TABLE}/claims.md",
        tex=f"{TABLE}/claims.tex",
        html=report(
            f"{TABLE}/claims.html",
            caption="../workflow/report/claims.rst",
            category="Tables",
            labels={"table": "Claims of the paper"},
        ),
    log:
        f"results/{RUN}/log/claims.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="claims-3",
    message:
        "The paper's claims against {RUN}"
    script:
        "../workflow/scripts/claims.py"
