#!/usr/bin/env bash
# Whole chains of rounds as one Slurm job (slurm/README.md): every round is a step of its own, so that
# what was finished stays when the job fails, is cancelled or runs out of time. Submit it again to
# go on:
#   sbatch slurm/chain.sh --configfile config/paper.yaml -- results/.../round9/metrics.json
#SBATCH --job-name=chain
#SBATCH --partition=gpu
#SBATCH --gpus=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --time=1-00:00:00
#SBATCH --requeue
#SBATCH --output=chain-%j.log
set -euo pipefail
# No lock of the folder: other chains write other files of it at the same time.
exec "${SNAKEMAKE:-snakemake}" --cores "${SLURM_CPUS_PER_TASK:-1}" --resources gpu=1 --nolock \
  --rerun-incomplete --keep-going "$@"
