"""Bringing a published or local checkpoint into the results folder, with a record of its origin."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from after_ser.core.errors import InputError
from after_ser.model.load import CONFIG, PREPROCESSOR, WEIGHTS
from after_ser.model.registry import family_of
from after_ser.model.save import save_tensors, write_origin
from after_ser.run.atomic import atomic_path
from after_ser.run.weights import read_weights

#: The weights' name in older repositories (a pickle; read with weights_only).
OLD_WEIGHTS = "pytorch_model.bin"
INSTEAD = "or use a local checkpoint (`folder: path`) or train one here (`scratch: {...}`)"


def materialise_hub(repo: str, revision: str, out: str | os.PathLike[str]) -> None:
    """Fetch a pinned revision of `repo` from the Hugging Face hub (or HF_ENDPOINT) into `out`.

    Only config, preprocessor and weights are fetched (safetensors where there is one), into the
    hub's own cache, which therefore serves machines without a network too. Raises InputError for
    an unpinned revision, an unknown repository and an unreachable hub.
    """
    if not re.fullmatch(r"[0-9a-f]{40}", revision or ""):
        raise InputError(
            f"backbone: revision {revision!r} of {repo}; expected the 40 hexadecimal digits of a "
            "commit, since a branch can change under the run"
        )
    config = _fetch(repo, revision, CONFIG)
    preprocessor = _fetch(repo, revision, PREPROCESSOR)
    weights = _fetch(repo, revision, WEIGHTS, optional=True) or _fetch(repo, revision, OLD_WEIGHTS)
    assert config is not None and preprocessor is not None and weights is not None
    _install(config, preprocessor, weights, Path(out))
    write_origin(out, "hub", repo, revision)


def materialise_folder(path: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Copy a local checkpoint folder into `out` under the standard names.

    Raises InputError where config.json, preprocessor_config.json or the weights are missing, or
    the model is of no known family.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"backbone: {folder} is no folder; expected a checkpoint folder")
    candidates = [folder / name for name in (WEIGHTS, OLD_WEIGHTS) if (folder / name).is_file()]
    if not candidates:
        raise InputError(f"backbone: no {WEIGHTS} or {OLD_WEIGHTS} in {folder}")
    _install(folder / CONFIG, folder / PREPROCESSOR, candidates[0], Path(out))
    write_origin(out, "folder", str(folder), "")


def _install(config: Path, preprocessor: Path, weights: Path, out: Path) -> None:
    family_of(config.parent).check(preprocessor.parent)
    for source, name in ((config, CONFIG), (preprocessor, PREPROCESSOR)):
        with atomic_path(out / name) as temporary:
            shutil.copyfile(source, temporary)
    if weights.name == WEIGHTS:
        with atomic_path(out / WEIGHTS) as temporary:
            shutil.copyfile(weights, temporary)
    else:
        _convert(weights, out / WEIGHTS)


def _convert(pickled: Path, target: Path) -> None:
    """Turn pytorch_model.bin into safetensors without running any code it may carry."""
    import torch

    state = read_weights(pickled, "backbone")
    if not isinstance(state, Mapping):
        raise InputError(f"backbone: {pickled} holds no weights by name; expected a state dict")
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    save_tensors(target, tensors)


def _fetch(repo: str, revision: str, name: str, optional: bool = False) -> Path | None:
    """Return the cached path of one file of the repository; None where optional and absent."""
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    hub = constants.ENDPOINT
    try:
        return Path(hf_hub_download(repo, name, revision=revision))
    except (RepositoryNotFoundError, HFValidationError):
        raise InputError(
            f"backbone: {hub} has no public repository {repo}; expected owner/name of one"
        ) from None
    except RevisionNotFoundError:
        raise InputError(f"backbone: {repo} at {hub} has no revision {revision}") from None
    except LocalEntryNotFoundError:
        raise InputError(
            f"backbone: cannot fetch {name} of {repo} from {hub} (offline or unreachable) and it "
            f"is not in the local cache; {INSTEAD}"
        ) from None
    except EntryNotFoundError:
        if optional:
            return None
        raise InputError(f"backbone: {repo} at {revision} has no {name}; {INSTEAD}") from None
    except Exception as error:  # the client's network errors differ between its versions
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"backbone: fetching {name} of {repo} from {hub} failed: {reason}; {INSTEAD}"
        ) from None
