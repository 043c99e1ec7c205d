"""Use cases of jobs: answers of imaging are applied, and stuck work is restarted."""
