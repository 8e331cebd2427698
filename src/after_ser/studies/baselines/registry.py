"""Baselines by name. Imports nothing heavy: the Snakefile reads this list.

A method that is not listed is a user's own: `method:` in the config is then the path of a Python
file, or a dotted module, which says about itself what this list says about the others, in
constants that are read without running it (`OPTIONS`, `VERSION`; docs/how-to-add.md).
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from after_ser.core.errors import InputError

if TYPE_CHECKING:
    from after_ser.studies.baselines.base import Method


@dataclass(frozen=True)
class Entry:
    """Where a method is, and what must be known of it before it runs.

    module:     dotted module, or the path of a Python file.
    version:    raised when the method's results change; its fits then run again.
    options:    the defaults, as published in the method's own paper where it says.
    choices:    the values an option of text may have.
    published:  the row of the paper's Table 3 that it stands for, None where it is none of them.
    published_parameters: trainable parameters at the published size, None where none is known.
    deviations: in what it is not the original, printed above Table 3; "" where in nothing.
    seeded:     whether chance has any part in it; one fit per fold is enough where it has none.
    extracts:   whether it has a function `extract` for features that all folds share.
    """

    module: str
    version: str
    options: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    published: str | None = None
    published_parameters: int | None = None
    deviations: str = ""
    seeded: bool = True
    extracts: bool = False


_PACKAGE = "after_ser.studies.baselines"

METHODS = {
    "light_sernet": Entry(
        f"{_PACKAGE}.light_sernet",
        "light-sernet-1",
        {
            "seconds": 7.0,
            "mfcc": 40,
            "paths": 32,
            "widths": [64, 96, 128, 160, 320],
            "dropout": 0.3,
            "loss": "focal",
            "gamma": 2.0,
            "l2": 1e-6,
            "learning_rate": 1e-4,
            "decay": 0.15,
            "decay_from": 50,
            "decay_every": 20,
            "batch_size": 32,
            "epochs": 300,
            "patience": 0,
        },
        {"loss": ("focal", "cross_entropy")},
        published="Light",
        published_parameters=460_740,
        deviations=(
            "PyTorch for TensorFlow (batch normalisation by PyTorch's defaults); the epoch is "
            "chosen on val, the original's on the test fold"
        ),
    ),
    "glam": Entry(
        f"{_PACKAGE}.glam",
        "glam-1",
        {
            "seconds": 1.8,
            "hop": 0.2,
            "mfcc": 26,
            "channels": 16,
            "gmlp_ratio": 4,
            "mixup": 0.5,
            "learning_rate": 1e-3,
            "decay": 0.95,
            "lowest_rate": 1e-6,
            "weight_decay": 1e-6,
            "batch_size": 32,
            "epochs": 50,
            "patience": 0,
        },
        published="GLAM",
        published_parameters=904_078,
        deviations=(
            "features by torchaudio for librosa; clips shorter than a window are padded, the "
            "original drops them; the epoch is chosen on val, the original's on test"
        ),
    ),
    "lssed": Entry(
        f"{_PACKAGE}.lssed",
        "lssed-1",
        {
            "network": "pyconvresnet-50",
            "width": 1.0,
            "weights": "",
            "mels": 128,
            "frame_shift": 0.01,
            "seconds": 4.0,
            "hop": 3.0,
            "learning_rate": 1e-4,
            "batch_size": 32,
            "epochs": 200,
            "patience": 20,
        },
        {"network": ("pyconvresnet-50", "pyconvresnet-101", "pyconvresnet-152", "small")},
        published="LSSED",
        published_parameters=22_825_220,
        deviations=(
            "only the network is public, so that its input (log-mel), segments, optimiser and "
            "stopping are assumptions; trained from scratch, because LSSED's weights are pickles "
            "behind a password; which depth and weights the paper used is unknown"
        ),
    ),
    "rh_emo": Entry(
        f"{_PACKAGE}.rh_emo",
        "rh-emo-1",
        {
            "classifier": "alexnet",
            "learning_rate": 1e-5,
            "batch_size": 20,
            "epochs": 500,
            "patience": 20,
            "hidden": 4096,
            "beta": 0.01,
            "epoch_segments": 0,
            "reconstruction_learning_rate": 1e-3,
            "reconstruction_weight_decay": 0.0,
            "reconstruction_batch_size": 50,
            "reconstruction_epochs": 500,
            "reconstruction_patience": 100,
            "supervised_learning_rate": 1e-6,
            "supervised_weight_decay": 1e-5,
            "supervised_batch_size": 20,
            "supervised_epochs": 500,
            "supervised_patience": 30,
        },
        {"classifier": ("alexnet", "vgg16", "resnet50", "small")},
        published="RH-emo",
        published_parameters=14_276_292 + 256,
        deviations=(
            "pre-trained on the train split of the fold alone, where the original's weights come "
            "from IEMOCAP; the encoder is frozen behind pre-training; which classifier the paper "
            "used is unknown"
        ),
    ),
    "egemaps_svm": Entry(
        f"{_PACKAGE}.egemaps_svm",
        "egemaps-svm-1",
        {"c": [0.001, 0.01, 0.1, 1.0], "splits": 3, "class_weights": "balanced"},
        {"class_weights": ("none", "balanced")},
        deviations=(
            "a reference of this workflow, not of the paper: eGeMAPSv02 functionals, standardised, "
            "linear SVM; C by speaker-independent cross-validation within train; probabilities are "
            "a softmax of its decision values"
        ),
        seeded=False,
        extracts=True,
    ),
}


def registered(method: str) -> Entry:
    """Return what is known of a method: of this list, or of a user's own file or module.

    Nothing of the method is imported. Raises InputError for what is neither.
    """
    return METHODS[method] if method in METHODS else _own(method)


def load(method: str) -> Method:
    """Import a method; raises InputError where it has no `fit` or no `predict`."""
    place = registered(method).module
    if place.endswith(".py"):
        path = Path(place).expanduser()
        name = f"after_ser_own_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
        spec = spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[name] = module  # dataclasses look their own module up
        spec.loader.exec_module(module)
    else:
        module = import_module(place)
    for needed in ("fit", "predict"):
        if not callable(getattr(module, needed, None)):
            raise InputError(
                f"baseline {method}: there is no function {needed} in {place}; "
                "expected fit and predict as in docs/how-to-add.md"
            )
    return cast("Method", module)


@cache
def _own(method: str) -> Entry:
    path = Path(method).expanduser() if method.endswith(".py") else _module_file(method)
    if path is None or not path.is_file():
        near = difflib.get_close_matches(method, METHODS, n=1)
        hint = (
            f'did you mean "{near[0]}"?'
            if near
            else (f"expected one of {', '.join(METHODS)}, a Python file or a dotted module")
        )
        raise InputError(f'config: baselines: there is no method "{method}"; {hint}')
    source = path.read_text(encoding="utf-8")
    constants = _constants(path, source)
    options = constants.get("OPTIONS", {})
    if not isinstance(options, dict):
        raise InputError(f"{path}: OPTIONS is not a dict; expected option name to default")
    # Without a VERSION every change of the file is a new method, and its fits run again.
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    return Entry(
        module=str(path) if method.endswith(".py") else method,
        version=f"own-{constants.get('VERSION', digest)}",
        options=options,
        deviations=str(constants.get("DEVIATIONS", "")),
        extracts=constants["extract"],
    )


def _module_file(name: str) -> Path | None:
    if not all(part.isidentifier() for part in name.split(".")):
        return None
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin else None


def _constants(path: Path, source: str) -> dict[str, Any]:
    """Return the module's constants OPTIONS, VERSION and DEVIATIONS, and whether it has `extract`.

    Nothing of it is run.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise InputError(f"{path}: line {error.lineno} is not Python ({error.msg})") from None
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    found: dict[str, Any] = {"extract": "extract" in functions}
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and target.id in ("OPTIONS", "VERSION", "DEVIATIONS"):
                try:
                    found[target.id] = ast.literal_eval(node.value)
                except ValueError:
                    raise InputError(
                        f"{path}: {target.id} in line {node.lineno} is computed; expected plain "
                        "values, because it is read without running the file"
                    ) from None
    return found
