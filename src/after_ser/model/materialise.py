"""Bringing a published or local checkpoint into the results folder, with a record of its origin."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from after_ser.core.errors import InputError
from after_ser.model.load import CONFIG, PREPROCESSOR, WEIGHTS, read_json
from after_ser.model.registry import family_of
from after_ser.model.save import save_tensors, write_origin
from after_ser.run.atomic import atomic_path
from after_ser.run.weights import read_weights

#: The weights' name in older repositories (a pickle; read with weights_only).
OLD_WEIGHTS = "pytorch_model.bin"
#: What lists the files of a checkpoint in several parts (shards), which are put together here.
INDEX = "model.safetensors.index.json"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
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
    weights = _fetch(repo, revision, WEIGHTS, optional=True)
    if weights is None and (index := _fetch(repo, revision, INDEX, optional=True)) is not None:
        for name in _shards(index):
            _fetch(repo, revision, name)  # beside the index in the hub's cache
        weights = index
    if weights is None:
        weights = _fetch(repo, revision, OLD_WEIGHTS)
    assert config is not None and preprocessor is not None and weights is not None
    _install(config, preprocessor, weights, Path(out))
    write_origin(out, "hub", repo, revision)


def materialise_folder(path: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Copy a local checkpoint folder into `out` under the standard names.

    Raises InputError where config.json, preprocessor_config.json or the weights are missing or are
    pointers of Git LFS, where a weight is not finite, and for a model of no known family.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"backbone: {folder} is not a folder; expected a checkpoint folder")
    names = (WEIGHTS, INDEX, OLD_WEIGHTS)
    candidates = [folder / name for name in names if (folder / name).is_file()]
    if not candidates:
        raise InputError(f"backbone: no {', '.join(names[:2])} or {names[2]} in {folder}")
    _install(folder / CONFIG, folder / PREPROCESSOR, candidates[0], Path(out))
    write_origin(out, "folder", str(folder), "")


def _install(config: Path, preprocessor: Path, weights: Path, out: Path) -> None:
    for path in (config, preprocessor, weights):
        _expect_no_pointer(path)
    family_of(config.parent).check(preprocessor.parent)
    tensors: dict[str, Any] = {}
    if weights.name == WEIGHTS:
        _expect_finite(weights, _tensors(weights))
    else:
        tensors = _joined(weights) if weights.name == INDEX else _unpickled(weights)
    for source, name in ((config, CONFIG), (preprocessor, PREPROCESSOR)):
        with atomic_path(out / name) as temporary:
            shutil.copyfile(source, temporary)
    if tensors:
        save_tensors(out / WEIGHTS, tensors)
        return
    with atomic_path(out / WEIGHTS) as temporary:
        shutil.copyfile(weights, temporary)


def _unpickled(path: Path) -> dict[str, Any]:
    """Return the tensors of pytorch_model.bin without running any code it may carry."""
    import torch

    state = read_weights(path, "backbone")
    if not isinstance(state, Mapping):
        raise InputError(f"backbone: {path} holds no weights by name; expected a state dict")
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    _expect_finite(path, tensors.items())
    return tensors


def _shards(index: Path) -> list[str]:
    """Return the names of the files that an index lists; InputError where it lists none."""
    places = read_json(index).get("weight_map")
    names = sorted(set(places.values())) if isinstance(places, dict) else []
    if not names or not all(isinstance(name, str) and "/" not in name for name in names):
        raise InputError(f"backbone: {index} lists no files; expected a weight_map of a checkpoint")
    return names


def _joined(index: Path) -> dict[str, Any]:
    """Return the tensors of a checkpoint in several files."""
    tensors: dict[str, Any] = {}
    for name in _shards(index):
        path = index.parent / name
        if not path.is_file():
            raise InputError(f"backbone: {path} is missing; {INDEX} lists it")
        _expect_no_pointer(path)
        tensors |= dict(_tensors(path))
    _expect_finite(index, tensors.items())
    return tensors


def _tensors(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the tensors of a safetensors file, one in memory at a time."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  it is no mapping
                yield name, file.get_tensor(name)
    except (OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"backbone: cannot read {path}: {reason}; expected safetensors") from None


def _expect_finite(path: Path, tensors: Iterable[tuple[str, Any]]) -> None:
    """Raise InputError for a weight that is NaN or infinite: every fit would end in NaN."""
    for name, value in tensors:
        if value.is_floating_point() and not bool(value.isfinite().all()):
            count = int((~value.isfinite()).sum())
            raise InputError(
                f"backbone: {path}: {count} of {value.numel()} numbers of {name} are NaN or "
                "infinite; expected finite weights (a broken copy or a diverged training)"
            )


def _expect_no_pointer(path: Path) -> None:
    with suppress(OSError), path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise InputError(
                f"backbone: {path} is a pointer of Git LFS and not the file itself; run git lfs "
                "pull there"
            )


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
