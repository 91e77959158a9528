"""How many threads torch may use on the CPU."""

import os

import torch

# OpenMP's threads spin while they wait for each other: with every core taken, one busy neighbour made a step
# of 3 ms last 300 ms on 2 cores. The service's other processes are such neighbours.
SPARE_CORES = 1


def share_cores(slots: int) -> None:
    """Give torch this process's share of the cores, unless OMP_NUM_THREADS says how many."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // slots - SPARE_CORES))
