"""The public door of imghost."""
