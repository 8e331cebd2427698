"""The claims in the order of their numbers, which start at 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from after_ser.judge.claims import growth, initialisation, outliers, selection, systems, time
from after_ser.judge.claims.evidence import AFTER, FT_ENTROPY, FT_RANDOM, TAPT_RANDOM, Evidence
from after_ser.judge.claims.model import OUTLIERS, PRINTED, SCORES, TIMES, Arithmetic, Measured


@dataclass(frozen=True)
class Claim:
    """A claim of the paper: a name, its words, their place, and how it is measured.

    `measure` raises NotTestable where the run has nothing to measure it by. `source` names
    where the effect comes from; only those from SCORES, OUTLIERS and PRINTED are the same to
    the byte in a second run.
    """

    name: str
    quote: str
    place: str
    measure: Callable[[Evidence], Measured | Arithmetic]
    source: str = SCORES


# A new claim goes to the end, so that a number means the same in every report.
CLAIMS: tuple[Claim, ...] = (
    Claim(
        "Active selection beats random, without TAPT, at every budget",
        "Fine-tuning with active learning significantly improves performance compared with random "
        "sampling (FT+Entropy vs FT+Random), regardless of the number of labeled samples.",
        "section 3.4, Table 4, observation 1",
        partial(selection.active_beats_random, active=FT_ENTROPY, random=FT_RANDOM),
    ),
    Claim(
        "Active selection beats random, with TAPT, at every budget",
        "With the same number of labeled samples, AFTER can obtain better results than "
        "TAPT+FT+Random on the Merged dataset.",
        "section 3.4, Table 4, observation 3",
        partial(selection.active_beats_random, active=AFTER, random=TAPT_RANDOM),
    ),
    Claim(
        "TAPT beats no TAPT",
        "TAPT+FT outperforms FT on both random sampling and Entropy sampling.",
        "section 3.4, Table 4, observation 2",
        selection.tapt_beats_none,
    ),
    Claim(
        "K-means beats random initialisation for every strategy",
        "the clustering-based initialization outperforms the random initialization for all AL "
        "methods.",
        "section 3.2, Figure 2",
        initialisation.kmeans_beats_random,
    ),
    Claim(
        "Entropy with K-means is best",
        "Entropy+Clustering is the most effective AL strategy for AFTER on the Merge dataset.",
        "section 3.2, Figure 2",
        initialisation.entropy_kmeans_is_best,
    ),
    Claim(
        "20 % of the labels come within 1.74 points UA (1.62 WA) of 100 %",
        "using 20%pt. labeled samples yielded a significant improvement in performance […]. Thus, "
        "we selected 20%pt. labeled samples as a trade-off",
        "section 3.2, Table 2 (77.41 and 79.15 UA, 74.32 and 75.94 WA)",
        growth.few_reach_all,
    ),
    Claim(
        "The score peaks at 60 %",
        "79.32 […] 76.03",
        "Tables 2 and 4, in bold; section 3.2 says that performance “increased as the ratio of "
        "labeled samples increased”",
        growth.peaks,
    ),
    Claim(
        "At 100 % the order of acquisition alone matters (57.21 against 73.89 UA)",
        "when 100%pt. sample is used, AL-based method significantly outperforms random sampling "
        "method (FT+Random vs FT+Entropy).",
        "section 3.4, Table 4, observation 4",
        selection.order_alone,
    ),
    Claim(
        "AFTER beats every baseline",
        "AFTER outperforms all baselines with only 20%pt. labeled samples for fine-tuning.",
        "section 3.3, Table 3",
        systems.beats_every_baseline,
    ),
    Claim(
        "Merged helps on IEMOCAP",
        "To explore whether the Merged dataset could improve performance on a single dataset, such "
        "as IEMOCAP, […] leaving each IEMOCAP session out as the test set",
        "section 3.1.1, answered by Table 3 (76.07 and 77.41 UA)",
        systems.merged_helps,
    ),
    Claim(
        "LSSED and RH-emo collapse on Merged",
        "LSSSED [43] and RH-emo [44] achieved good results with the IEMOCAP but performed poorly "
        "with the Merged dataset.",
        "section 3.3, Table 3 (25.00 and 43.20 UA on Merged)",
        systems.some_collapse,
    ),
    Claim(
        "Time is linear up to 20 %",
        "AL-based fine-tuning exhibits a linear increase in time consumption with sample size from "
        "1%pt.~20%pt.",
        "section 3.5, Figure 3 (B)",
        time.linear,
        TIMES,
    ),
    Claim(
        "79 % less time than AFTER on all labels",
        "reducing the time consumption by 79%pt. compared to fine-tuning on 100%pt. samples.",
        "section 3.2, Table 2 (316.4 and 1508.2 minutes)",
        time.less_than_after,
        TIMES,
    ),
    Claim(
        "79 % less time than plain fine-tuning on all labels",
        "reduce time consumption by 79% pt. compared to the fastest baseline.",
        "section 1; section 3.5 compares with “FT (fine-tuning on all labeled samples)”; no "
        "baseline's time is printed",
        time.less_than_fine_tuning,
        TIMES,
    ),
    Claim(
        "Active selection avoids noise and outliers",
        "the AL-based fine-tuning strategy efficiently eliminates noise and outliers and selects "
        "the most informative and diverse samples for fine-tuning",
        "section 3.4, observation 1",
        outliers.outliers_avoided,
        OUTLIERS,
    ),
    Claim(
        "The headline of +8.45 points, as measured here",
        "using only 20%pt. samples improves 8.45%pt. accuracy",
        "abstract, sections 1 and 3.3",
        systems.measured_gain,
    ),
    Claim(
        "The headline of +8.45 points, as arithmetic of the paper's own tables",
        "AFTER improves UA and WA by 8.45%pt. and 4.12%pt. respectively, compared to SOTA baseline "
        "(UA of GLAM and WA of Light), on the Merged dataset.",
        "section 3.3 against Table 3",
        systems.follows_from_table3,
        PRINTED,
    ),
)
