"""Environment variables of every job, set once by the main process and inherited."""

from __future__ import annotations

import os


def set_job_environment(threads: int) -> None:
    """Set thread counts and allocator limits for child processes; a user's own values win.

    Left alone, OpenMP would take all cores in each of several parallel jobs. glibc returns every
    large tensor to the kernel after each step; keeping them makes CPU training about 1.5 times
    as fast.
    """
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
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
