"""The queues of jobs and of their answers.

Deletions have queues of their own: no upload is to wait for the thousands at once that a deleted user leaves behind.
"""

from catalog import messages
from chassis.broker.topology import Queue

RESULTS = Queue("catalog.results", messages.RESULTS, formerly=messages.DELETION_RESULTS)
DELETION_RESULTS = Queue("catalog.deletions", messages.DELETION_RESULTS)
# Imaging's queues: their dead letters are drained by our worker, and their depths tell the watchdog what is stuck.
JOBS = Queue("imaging.jobs", messages.PROCESSING, formerly=messages.DELETIONS)
DELETIONS = Queue("imaging.deletions", messages.DELETIONS)

OURS = (RESULTS, DELETION_RESULTS)
ALL = (JOBS, DELETIONS, *OURS)
