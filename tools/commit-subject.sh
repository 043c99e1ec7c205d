#!/usr/bin/env bash
# Checks the subject of a commit: `<area>: <what is now true>`, at most 72 characters.
#
# Usage: tools/commit-subject.sh FILE    FILE has the whole message, as git hands it to a commit-msg hook
set -euo pipefail

subject=$(head -n 1 "$1")
if [[ $subject =~ ^(Merge|Revert|fixup!|squash!)\  ]]; then exit; fi
if [[ ! $subject =~ ^[a-z0-9.,/\ -]+:\ [^\ ] ]] || ((${#subject} > 72)); then
    echo "the subject of a commit is '<area>: <what is now true>', at most 72 characters; this one has ${#subject}:" >&2
    echo "  $subject" >&2
    exit 1
fi
