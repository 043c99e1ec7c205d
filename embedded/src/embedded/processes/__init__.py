"""Child processes and the terminal: started, watched and ended here, whatever they are."""
