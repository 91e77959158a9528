"""How long a confirmation inside a range test may take: the length of a run, and how many there are at the most."""

NUM_CYCLES = 2  # of each training
STEP_SIZE = 80  # with two cycles nearly as long as a sweep of the test, however few steps an epoch has
NUM_STEPS = 2 * STEP_SIZE * NUM_CYCLES  # of every run
NUM_SEEDS = 4  # of those that stay to the end: three tell too little apart
PAIRS = (
    ("max_lr / 2", "max_lr x 2"),
    ("constant_lr", "one_cycle"),
)  # of which the better one goes on against ours
MOST_STEPS = NUM_STEPS * (1 + 2 * len(PAIRS) + (NUM_SEEDS - 1) * (1 + len(PAIRS)))
