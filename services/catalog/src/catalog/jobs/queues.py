"""The queues of jobs and of their answers."""

from catalog import messages
from chassis.broker.topology import Queue

RESULTS = Queue("catalog.results", messages.TAKEN)
# Imaging's queue: its dead letters are drained by our worker, and its depth tells the watchdog what is stuck.
JOBS = Queue("imaging.jobs", messages.JOBS)
