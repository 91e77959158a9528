"""The command line `clr-tuner`, a file a noun."""
