"""The whole service as plain processes on one machine: what `make run` starts."""
