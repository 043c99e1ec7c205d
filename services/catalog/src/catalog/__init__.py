"""Images, collections and their processing state."""
