"""HTTP interfaces: Flask applications with problem documents, paging, entity tags, behind gunicorn."""
