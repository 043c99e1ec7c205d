"""Thumbnails, palettes and placeholders from originals in S3."""
