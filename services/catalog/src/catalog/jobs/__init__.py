"""Use cases of jobs: answers of imaging are applied, and work that is stuck begins anew."""
