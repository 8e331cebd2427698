"""Environment variables of every job, set once by the main process and inherited."""

from __future__ import annotations

import os

from after_ser.run.gpu import SCHEDULED, SHARING
from after_ser.run.parent import announce

CHECKPOINT_MINUTES = "AFTER_SER_CHECKPOINT_MINUTES"
GPUS_PER_PRETRAINING = "AFTER_SER_GPUS_PER_PRETRAINING"


def set_job_environment(
    threads: int,
    checkpoint_minutes: float = 10.0,
    jobs_per_gpu: int = 1,
    scheduled: bool = False,
    gpus_per_pretraining: int = 1,
) -> None:
    """Set thread counts and allocator limits for child processes; a user's own values win.

    `jobs_per_gpu` and `scheduled` (a cluster's scheduler placed this job) are for `run.gpu`.

    Left alone, OpenMP would take all cores in each of several parallel jobs. glibc returns every
    large tensor to the kernel after each step; keeping them makes CPU training about 1.5 times
    as fast. How often a job saves its state and how many GPUs it trains on is said here too, since
    a param would be part of what makes a result old.
    """
    announce()
    os.environ[GPUS_PER_PRETRAINING] = str(gpus_per_pretraining)
    os.environ[CHECKPOINT_MINUTES] = str(checkpoint_minutes)
    defaults = {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": "1000000000000",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "MPLBACKEND": "Agg",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # torch's deterministic mode asks for it
        # looking whether there is a GPU must not fix which ones CUDA shows
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # numbers of GPUs are those of nvidia-smi
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    # what a job inherits from the process that submitted it must not win here
    os.environ[SHARING] = str(jobs_per_gpu)
    os.environ[SCHEDULED] = "1" if scheduled else "0"


def gpus_per_pretraining() -> int:
    """Return how many GPUs one TAPT or backbone pre-training is to train on."""
    return int(os.environ.get(GPUS_PER_PRETRAINING, "1"))
