"""From a request to queued jobs: one file a kind; an Idempotency-Key that was seen before wins over all else."""
