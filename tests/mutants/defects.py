"""The defects, of kinds that such systems have had: the edits that make each, and the tests that must catch it."""

from dataclasses import dataclass

CHASSIS = "libs/chassis/src/chassis"
CATALOG = "services/catalog/src/catalog"
IMAGING = "services/imaging/src/imaging"

DELIVERY = "tests/integration/test_delivery.py"
KEY_QUEUE = "tests/unit/catalog/test_key_queue.py"
JOBS = "tests/integration/test_catalog_jobs.py"
STORAGE = "tests/integration/test_storage.py::TestS3Storage"
DEAD_LETTERS = "tests/integration/test_dead_letters.py"
WATCHDOG = "tests/integration/test_watchdog.py"
ORPHANS = "tests/integration/test_reconcile_orphans.py"
INSTALLATIONS = "tests/integration/test_reconcile_installations.py"
MODEL = "tests/integration/test_catalog_model.py"
REPROCESS = "tests/integration/test_reprocess.py"
INSTALLATION = "tests/integration/test_installation.py"
REFUSED = "tests/integration/test_refused_buckets.py"


@dataclass(frozen=True)
class Edit:
    """Replace BEFORE, which FILE has once, by AFTER."""

    file: str
    before: str
    after: str


@dataclass(frozen=True)
class Defect:
    """A defect with a NAME, what it is in a sentence, and the tests (pytest's node ids) of which one must fail."""

    name: str
    sentence: str
    edits: tuple[Edit, ...]
    caught_by: tuple[str, ...]


DEFECTS = (
    Defect(
        "ack-before-effect",
        "A message is acknowledged when it is taken, before anything was done.",
        (
            Edit(f"{CHASSIS}/broker/consumer.py", "(self.queue.name, take)", "(self.queue.name, take, auto_ack=True)"),
            Edit(f"{CHASSIS}/broker/consumer.py", "    if channel.is_open:\n", "    if not channel.is_open:\n"),
        ),
        (f"{DELIVERY}::test_message_of_a_worker_that_died_comes_again_by_itself",),
    ),
    Defect(
        "no-mandatory",
        "A message that no queue takes counts as published.",
        (Edit(f"{CHASSIS}/broker/publisher.py", "mandatory=True", "mandatory=False"),),
        (f"{DELIVERY}::test_message_that_no_queue_takes_counts_as_not_published",),
    ),
    Defect(
        "no-confirms",
        "Nobody waits for the broker to confirm what was published.",
        (Edit(f"{CHASSIS}/broker/publisher.py", "    channel.confirm_delivery()\n", ""),),
        (f"{DELIVERY}::test_message_that_no_queue_takes_counts_as_not_published",),
    ),
    Defect(
        "retry-acked-before-published",
        "A message that is to come back later is acknowledged although its copy was not taken.",
        (
            Edit(
                f"{CHASSIS}/broker/consumer.py",
                "if self.stop.wait(RECONNECT_S[0]) or lost.is_set():\n                    return False",
                "if self.stop.wait(RECONNECT_S[0]) or lost.is_set():\n                    return True",
            ),
        ),
        (f"{DELIVERY}::test_consumer_told_to_stop_under_an_alarm_stops_and_the_message_stays",),
    ),
    Defect(
        "requeue-for-ever",
        "A message that strikes a defect is tried again without end.",
        (Edit(f"{CHASSIS}/broker/verdicts.py", "if delivery.attempt < attempts else", "if attempts else"),),
        (f"{DELIVERY}::test_defect_is_tried_again_and_then_given_up",),
    ),
    Defect(
        "outage-exhausts",
        "A dependency that is away uses up the attempts of a message.",
        (Edit(f"{CHASSIS}/broker/verdicts.py", "exhausts=fault.counts)", "exhausts=True)"),),
        ("tests/unit/chassis/broker/test_verdicts.py::test_fault_of_a_dependency_never_exhausts_the_attempts",),
    ),
    Defect(
        "outbox-by-cursor",
        "The relay reads the outbox behind the last moment it has seen, and passes over what commits late.",
        (
            Edit(
                f"{CHASSIS}/database/outbox.py",
                "SWEEP_BATCH = 1000\n",
                "SWEEP_BATCH = 1000\nlast = datetime.fromisoformat('2000-01-01T00:00:00+00:00')\n",
            ),
            Edit(
                f"{CHASSIS}/database/outbox.py",
                "    moment = shared_now(connection)\n",
                "    global last\n    moment = now()\n",
            ),
            Edit(f"{CHASSIS}/database/outbox.py", '"due", free)', '"due", outbox.c.date_created > last, free)'),
            Edit(
                f"{CHASSIS}/database/outbox.py",
                "values(date_leased_until=moment + LEASE))\n",
                "values(date_leased_until=moment + LEASE))\n    last = moment\n",
            ),
        ),
        (f"{DELIVERY}::test_event_that_is_committed_late_is_not_passed_over",),
    ),
    Defect(
        "marked-before-confirmed",
        "Events are marked as published although the broker has not confirmed them.",
        (
            Edit(
                f"{CHASSIS}/broker/relay.py",
                "                refused = fault\n",
                "                refused = fault\n                confirmed.append(row.id)\n",
            ),
        ),
        (f"{DELIVERY}::test_what_no_queue_takes_stays_due_and_holds_up_no_other",),
    ),
    Defect(
        "no-lease",
        "Relays do not hold what they publish, and another publishes it too.",
        (
            Edit(
                f"{CHASSIS}/database/outbox.py",
                "values(date_leased_until=moment + LEASE)",
                "values(date_leased_until=None)",
            ),
        ),
        (f"{DELIVERY}::test_relay_that_dies_with_a_batch_is_replaced_when_its_lease_runs_out",),
    ),
    Defect(
        "no-dedupe",
        "An answer that comes twice is applied twice.",
        (
            Edit(
                f"{CATALOG}/key_queue.py",
                "            if _repeats(image, answer):\n                return Verdict.REPEATED\n",
                "",
            ),
        ),
        (f"{JOBS}::test_same_result_twice_changes_nothing",),
    ),
    Defect(
        "generation-not-checked",
        "A result of an older generation is taken for one of the present.",
        (
            Edit(
                f"{CATALOG}/key_queue.py",
                "image.registration == about and not",
                "image.image_id == about.image_id and not",
            ),
        ),
        (f"{JOBS}::test_reprocessing_waits_for_the_job_before_and_shows_the_old_picture",),
    ),
    Defect(
        "all-jobs-at-once",
        "Two jobs of one key are with imaging at a time.",
        (
            Edit(
                f"{CATALOG}/key_queue.py",
                "date_created=self.moment))\n",
                "date_created=self.moment, date_sent=self.moment))\n",
            ),
        ),
        (f"{JOBS}::test_key_registered_again_waits_until_the_thumbs_of_the_first_are_gone",),
    ),
    Defect(
        "key-not-locked",
        "Two transactions look at the jobs of a key at once, and each takes itself for the first.",
        (Edit(f"{CATALOG}/adapters/store.py", 'self._lock(f"key/{s3_key}", "pg_advisory_xact_lock")', "pass"),),
        (f"{JOBS}::test_registering_while_a_result_is_applied_never_leaves_a_job_waiting_for_ever",),
    ),
    Defect(
        "late-result-ignored",
        "A late result is dropped, and its thumbs stay where another registration's should be.",
        (
            Edit(
                f"{CATALOG}/key_queue.py",
                "        if is_awaited:\n            return Verdict.APPLIED\n",
                "        if is_awaited or about.generation > 0:\n            return Verdict.APPLIED\n",
            ),
        ),
        (
            f"{JOBS}::test_late_result_of_a_deleted_image_removes_its_thumbs",
            f"{JOBS}::test_late_result_of_an_earlier_registration_has_the_present_one_processed_again",
        ),
    ),
    Defect(
        "earlier-bucket-taken-for-present",
        "An answer about the key's earlier bucket is taken for one about the present registration.",
        (
            Edit(
                f"{CATALOG}/key_queue.py",
                "return image if image is not None and image.s3_bucket == self.s3_bucket else None",
                "return image",
            ),
        ),
        (f"{KEY_QUEUE}::test_answer_about_the_earlier_bucket_of_a_key_leaves_the_present_registration_alone",),
    ),
    Defect(
        "deleted-user-forgotten",
        "Nobody remembers who was deleted, and a token that outlives its user registers images.",
        (Edit(f"{CATALOG}/users.py", "    store.note_deleted_user(user_id)\n", ""),),
        (f"{JOBS}::test_user_who_is_gone_takes_images_and_collections_along",),
    ),
    Defect(
        "delete-without-id-check",
        "Thumbs are deleted by their keys, whoever they belong to.",
        (
            Edit(
                f"{IMAGING}/adapters/storage.py",
                "                if found is None or not found.is_of(job):\n",
                "                if found is None:\n",
            ),
        ),
        (
            f"{STORAGE}::test_object_that_is_not_ours_is_neither_overwritten_nor_deleted",
            f"{STORAGE}::test_deletion_takes_the_thumbs_of_its_image_only",
        ),
    ),
    Defect(
        "foreign-object-overwritten",
        "An object that is not ours is written over by a thumb.",
        (Edit(f"{IMAGING}/adapters/storage.py", "if found.image_id is None or not", "if not"),),
        (f"{STORAGE}::test_object_that_is_not_ours_is_neither_overwritten_nor_deleted",),
    ),
    Defect(
        "late-worker-overwrites",
        "A worker of an older generation writes its thumbs over those of a newer one.",
        (
            Edit(
                f"{IMAGING}/adapters/storage.py",
                "if found.is_of(job) and found.generation > job.generation:",
                "if found.is_of(job) and found.generation < 0:",
            ),
        ),
        (f"{STORAGE}::test_late_generation_writes_over_nothing",),
    ),
    Defect(
        "late-worker-keeps-silent",
        "A worker of an older generation that has written over thumbs of a newer one takes them away and tells nobody.",
        (
            Edit(
                f"{IMAGING}/use_cases.py",
                "        imaging.publish(messages.thumbs_deleted(job, fault.newest))\n        raise\n",
                "        raise\n",
            ),
        ),
        ("tests/unit/imaging/test_worker.py::test_late_job_is_done_and_tells_that_it_has_left_nothing",),
    ),
    Defect(
        "late-thumbs-kept",
        "Late thumbs of an earlier registration stay when the present one fails and writes over nothing.",
        (
            Edit(
                f"{CATALOG}/key_queue.py",
                "(image is None or image.image_id != about.image_id)",
                "image is None",
            ),
        ),
        (f"{MODEL}::test_after_any_history_nothing_is_pending_and_no_thumb_is_of_nobody",),
    ),
    Defect(
        "watched-once",
        "The watchdog takes for lost what a worker has in hand at the moment that it looks.",
        (Edit(f"{CATALOG}/jobs/watchdog.py", "[key for key in found if key in suspects]", "found"),),
        (f"{WATCHDOG}::test_what_is_answered_between_two_looks_was_in_hand",),
    ),
    Defect(
        "waiting-jobs-pile-up",
        "Each registration and deletion of a key leaves another job, though none of them can leave.",
        (Edit(f"{CATALOG}/key_queue.py", "if not (dropped and image.generation == 1):", "if True:"),),
        (f"{JOBS}::test_key_that_is_registered_and_deleted_again_and_again_has_few_jobs",),
    ),
    Defect(
        "dead-letter-acked-before-kept",
        "A dead letter leaves the broker before it is kept.",
        (
            Edit(
                f"{CHASSIS}/broker/drain.py",
                "channel.basic_get(queue.dead)",
                "channel.basic_get(queue.dead, auto_ack=True)",
            ),
            Edit(f"{CHASSIS}/broker/drain.py", "        channel.basic_ack(tag)\n", ""),
        ),
        (f"{DEAD_LETTERS}::test_letter_that_could_not_be_kept_stays_and_comes_again",),
    ),
    Defect(
        "exhausted-stays-pending",
        "An image whose job was given up stays pending for ever, and holds up its key.",
        (
            Edit(
                f"{CATALOG}/upkeep/dead_letters.py",
                "    if event and registration:\n        if",
                "    if event and not registration:\n        if",
            ),
        ),
        (f"{DEAD_LETTERS}::test_job_that_was_given_up_fails_its_image_and_frees_its_key",),
    ),
    Defect(
        "backlog-feeds-itself",
        "The watchdog asks again for what merely waits its turn.",
        (Edit(f"{CATALOG}/jobs/watchdog.py", "not behind and all(depth.is_idle for depth in depths)", "not behind"),),
        (f"{WATCHDOG}::test_nothing_is_stuck_while_messages_wait_in_the_broker",),
    ),
    Defect(
        "foreign-object-reconciled",
        "Reconcile deletes objects that are somebody else's.",
        (Edit(f"{CATALOG}/upkeep/findings.py", "if found.image_id is None or has_jobs", "if has_jobs"),),
        (f"{ORPHANS}::test_orphan_is_found_and_deleted_and_nothing_else",),
    ),
    Defect(
        "deleted-by-what-was-listed",
        "Reconcile deletes what it found earlier, without another look at the database.",
        (
            Edit(
                f"{CATALOG}/upkeep/reconciliation.py",
                "orphans = _orphans(store, compared.bucket, [found]) if found else []",
                "orphans = [finding]",
            ),
        ),
        (f"{ORPHANS}::test_thumb_that_is_no_orphan_any_more_when_it_would_be_deleted_is_kept",),
    ),
    Defect(
        "metadata-names-have-case",
        "The names of a thumb's metadata count as they are sent, which is capitalised by servers written in Go.",
        (Edit(f"{CHASSIS}/s3/client.py", "{name.lower(): value for", "{name: value for"),),
        (
            f"{STORAGE}::test_thumb_is_written_over_an_older_generation_and_over_another_image",
            f"{ORPHANS}::test_orphans_are_found_and_deleted_whatever_the_manners_of_the_server",
        ),
    ),
    Defect(
        "conditions-taken-for-granted",
        "S3 is believed to keep conditions, without a probe.",
        (Edit(f"{CHASSIS}/s3/conditions.py", "found = probe(self.client, bucket)\n", "found = ALL\n"),),
        (f"{STORAGE}::test_object_that_is_not_ours_is_neither_overwritten_nor_deleted",),
    ),
    Defect(
        "newer-thumbs-ignored",
        "Thumbs that are newer than a restored catalog leave its jobs without an answer that fits.",
        (Edit(f"{CATALOG}/key_queue.py", "if _met_newer(answer) and self._catch_up", "if False and self._catch_up"),),
        (
            f"{JOBS}::test_image_whose_thumbs_are_newer_goes_on_above_them_at_once",
            f"{JOBS}::test_deletion_that_meets_newer_thumbs_takes_those_too",
        ),
    ),
    Defect(
        "copy-deletes",
        "A database that was restored elsewhere has thumbs deleted, which may be those of the one that goes on.",
        (Edit(f"{CATALOG}/worker.py", "return Store(connection).installation().is_settled", "return True"),),
        (f"{INSTALLATION}::test_no_job_of_a_copy_leaves_neither_a_new_one_nor_one_that_was_due_when_it_was_made",),
    ),
    Defect(
        "foreign-thumbs-reconciled",
        "Reconcile deletes thumbs of another installation on the same bucket.",
        (
            Edit(
                f"{CATALOG}/upkeep/reconciliation.py",
                "own = [thumb for thumb in found if installation.owns(thumb.installation_id)]",
                "own = list(found)",
            ),
        ),
        (f"{INSTALLATIONS}::test_thumbs_of_another_installation_are_counted_and_left_alone",),
    ),
    Defect(
        "refused-bucket-asked-by-every-job",
        "Each job of a bucket that S3 refuses asks S3 about it again.",
        (Edit(f"{IMAGING}/adapters/storage.py", "        self._refusals.check(bucket)\n", ""),),
        (f"{REFUSED}::test_waiting_jobs_hardly_ask_s3",),
    ),
    Defect(
        "run-not-locked",
        "Two commands go on with one run of reprocessing, and both queue the same images.",
        (Edit(f"{CATALOG}/upkeep/reprocessing.py", "store.run(run_id, locked=True)", "store.run(run_id)"),),
        (f"{REPROCESS}::test_two_commands_on_one_run_queue_no_image_twice",),
    ),
)
