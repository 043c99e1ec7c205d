"""Run all of imghost as plain processes on one machine: `make run`."""
