"""Pages for people, rendered here from the public answers of catalog, with oEmbed and Atom feeds."""
