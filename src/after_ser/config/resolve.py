"""Reading, checking and resolving the workflow's configuration."""

from __future__ import annotations

import os
from typing import Any

from after_ser.config.checks import check_values
from after_ser.config.library import add_from_library, fill_likes, read_library
from after_ser.config.models import filled_entries, filled_run
from after_ser.config.rules import fill_and_check

Config = dict[str, Any]


def resolve(config: Config) -> Config:
    """Return `config` with all it uses of config/base.yaml and every default, checked.

    Raises InputError with one line that names the key, what is wrong and what was expected.
    """
    check_values(config)
    given, library = fill_likes(config, read_library())
    resolved = filled_run(given)
    filled_entries(library)
    add_from_library(resolved, library)
    fill_and_check(resolved)
    return resolved


def corpus_root(config: Config, corpus: str) -> str:
    """Return the folder of a corpus's release; a relative root is below `corpora_root`."""
    return os.path.join(config["corpora_root"], config["corpora"][corpus].get("root", ""))
