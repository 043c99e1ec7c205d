"""The sample picture, and how it gets into a run."""
