"""What the config says of a baseline: its method, and whatever options that has.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from pydantic import ConfigDict

from after_ser.core.settings import Settings, Text, key


class Baseline(Settings):
    """Another system, trained on all labels of a fold's train split."""

    model_config = ConfigDict(extra="allow")

    method: Text = key(
        ...,
        "a method of the list below, the path of a Python file (relative to where `snakemake` is "
        "started), or a dotted module. How to write one: [how-to-add.md](how-to-add.md)",
        "light_sernet",
    )
