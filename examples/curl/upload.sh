#!/bin/sh
# Uploads the files that it is given, whatever their names are, and prints the address of each:
#   IMGHOST=https://imghost.example IMGHOST_KEY=imgh_… ./upload.sh *.jpg
set -eu
for file; do
    # To an address that ends in a slash curl adds the name of the file, percent-encoded. Globs are what the shell knows.
    curl -sS --fail-with-body --globoff -H "Authorization: Bearer $IMGHOST_KEY" -T "$file" "$IMGHOST/api/uploads/" |
        jq -r .url
done
