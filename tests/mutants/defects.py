"""Defects of kinds that systems like this one have had: the edits that make each, and the tests that must catch it."""

from dataclasses import dataclass

AUTH = "services/auth/src/auth"
CHASSIS = "libs/chassis/src/chassis"
CATALOG = "services/catalog/src/catalog"
GATEWAY = "gateway/src/gateway"
IMAGING = "services/imaging/src/imaging"
NGINX = "edge/nginx.conf.template"

DELIVERY = "tests/integration/test_delivery.py"
KEY_QUEUE = "tests/unit/catalog/test_key_queue.py"
JOBS = "tests/integration/test_catalog_jobs.py"
STORAGE = "tests/integration/test_storage.py::TestS3Storage"
DEAD_LETTERS = "tests/integration/test_dead_letters.py"
WATCHDOG = "tests/integration/test_watchdog.py"
AUDIT = "tests/integration/test_audit.py"
ORPHANS = "tests/integration/test_reconcile_orphans.py"
STUCK = "tests/integration/test_reconcile_stuck.py"
INSTALLATIONS = "tests/integration/test_reconcile_installations.py"
MODEL = "tests/integration/test_catalog_model.py"
REPROCESS = "tests/integration/test_reprocess.py"
IMPORT = "tests/integration/test_import.py"
SWEEP = "tests/integration/test_sweep_uploads.py"
TAKEDOWN = "tests/integration/test_takedown.py"
ORIGINALS = "tests/integration/test_deleted_images.py"
INSTALLATION = "tests/integration/test_installation.py"
REFUSED = "tests/integration/test_refused_buckets.py"
CLIENTS = "tests/integration/test_door.py"
FLOODS = "tests/integration/test_floods.py"
TURNS = "tests/unit/gateway/test_turns.py"
DEADLINES = "tests/integration/test_deadlines.py"
DOOR = "tests/integration/test_gateway.py"
SIGN_IN = "tests/integration/test_auth.py"
CHILDREN = "tests/integration/test_api_key_children.py"
ROTATION = "tests/integration/test_api_key_rotation.py"
GUESSES = "tests/integration/test_password_guesses.py"
PAGES = "tests/integration/test_catalog_pages.py"
QUOTAS = "tests/integration/test_quotas.py"
LOAD_KEYS = "queues = store.key_queues((None, key) for key in store.image_keys(user_id, BATCH))"
BATCHES = "tests/integration/test_batches.py"
RATE_LIMITS = "tests/integration/test_rate_limits.py"
USE = "tests/integration/test_use_of_users.py"
CATALOG_STORE = "tests/integration/test_catalog_store.py"
ACCESS = "tests/integration/test_access.py"
DISABLED = "tests/integration/test_disabled_users.py"
REPEATS = "tests/integration/test_idempotency.py"
CRASHES = "tests/integration/test_idempotency_after_crashes.py"
METRICS = "tests/integration/test_metrics.py"
TRACING = "tests/unit/chassis/test_tracing.py"
PUBLIC_ANSWERS = "tests/unit/gateway/test_public_answers.py"
LISTENER = "tests/unit/gateway/test_listener.py"
TOGETHER = "tests/integration/test_images_together.py"
CREDENTIALS_TOGETHER = "tests/integration/test_credentials_together.py"
EDGE = "tests/integration/test_edge.py"
EDGE_CACHE = "tests/integration/test_edge_cache.py"
COLOUR_SPACES = "tests/unit/imaging/test_colour_spaces.py"
TRANSACTIONS = "tests/integration/test_transactions.py"


@dataclass(frozen=True)
class Edit:
    """Replaces `before`, which `file` contains exactly once, by `after`."""

    file: str
    before: str
    after: str


@dataclass(frozen=True)
class Defect:
    """A defect: its name, what goes wrong in a sentence, and the tests (pytest node ids) of which one must fail."""

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
            Edit(f"{CHASSIS}/broker/consumer.py", "if not channel.is_open:\n", "if channel.is_open:\n"),
        ),
        (f"{DELIVERY}::test_message_of_a_worker_that_died_comes_again_by_itself",),
    ),
    Defect(
        "clocks-apart-uncounted",
        "No metric tells that the clocks of two machines are apart, so that no alert fires.",
        (Edit(f"{CHASSIS}/web/access.py", "            CLOCKS_APART.inc()\n", ""),),
        ("tests/integration/test_clocks.py::test_more_than_that_is_503_with_a_line_that_names_the_clocks",),
    ),
    Defect(
        "no-mandatory",
        "A message that no queue takes counts as published.",
        (Edit(f"{CHASSIS}/broker/link.py", "mandatory=True", "mandatory=False"),),
        (f"{DELIVERY}::test_message_that_no_queue_takes_counts_as_not_published",),
    ),
    Defect(
        "no-confirms",
        "Nobody waits for the broker to confirm what was published.",
        (
            Edit(
                f"{CHASSIS}/broker/link.py",
                "mandatory=True\n            )\n",
                "mandatory=True\n            )\n            waiting.confirmed.set_result(None)\n",
            ),
        ),
        (f"{DELIVERY}::test_message_that_no_queue_takes_counts_as_not_published",),
    ),
    Defect(
        "confirms-without-deadline",
        "Whoever publishes waits without end for a queue that has lost the majority of its nodes.",
        (Edit(f"{CHASSIS}/broker/link.py", "oldest is None or self._is_watched", "True"),),
        ("tests/integration/test_connections.py::test_broker_that_never_confirms_is_given_up_for_a_new_connection",),
    ),
    Defect(
        "retry-acked-before-published",
        "A message that is to be retried is acknowledged although the broker did not accept its copy.",
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
        "A message whose handler has a defect is retried for ever.",
        (Edit(f"{CHASSIS}/broker/verdicts.py", "if delivery.attempt < attempts else", "if attempts else"),),
        (f"{DELIVERY}::test_defect_is_tried_again_and_then_given_up",),
    ),
    Defect(
        "outage-exhausts",
        "An unavailable dependency uses up the attempts of a message.",
        (Edit(f"{CHASSIS}/broker/verdicts.py", "exhausts=fault.counts)", "exhausts=True)"),),
        ("tests/unit/chassis/broker/test_verdicts.py::test_fault_of_a_dependency_never_exhausts_the_attempts",),
    ),
    Defect(
        "outbox-by-cursor",
        "The relay reads the outbox from the last moment that it has seen, and misses what commits late.",
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
            Edit(f"{CHASSIS}/database/outbox.py", "(DUE, free)", "(DUE, outbox.c.date_created > last, free)"),
            Edit(
                f"{CHASSIS}/database/outbox.py",
                "    return sorted(connection",
                "    last = moment\n    return sorted(connection",
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
        "A relay takes no lease on what it publishes, and another relay publishes it too.",
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
                "            if _repeats(image, answer):\n                return Effect.REPEATED\n",
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
                "        if len(self.jobs) == 1:\n            self._send_first()\n",
                "        self.due = self.jobs[-1] = replace(self.jobs[-1], date_sent=self.moment)\n",
            ),
        ),
        (f"{JOBS}::test_key_registered_again_waits_until_the_thumbs_of_the_first_are_gone",),
    ),
    Defect(
        "key-not-locked",
        "Two transactions look at the jobs of a key at once, and each takes itself for the first.",
        (Edit(f"{CATALOG}/adapters/key_queries.py", "self._lock(_LOCK_KEY, key=s3_key)", "pass"),),
        (f"{JOBS}::test_registering_while_a_result_is_applied_never_leaves_a_job_waiting_for_ever",),
    ),
    Defect(
        "late-result-ignored",
        "A late result is dropped, and its thumbs stay where another registration's should be.",
        (
            Edit(
                f"{CATALOG}/key_queue.py",
                "        if is_awaited:\n            return Effect.APPLIED\n",
                "        if is_awaited or about.generation > 0:\n            return Effect.APPLIED\n",
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
                "                if not found.is_of(job):\n                    return 0\n",
                "",
            ),
        ),
        (
            f"{STORAGE}::test_object_that_is_not_ours_is_neither_overwritten_nor_deleted",
            f"{STORAGE}::test_deletion_takes_the_thumbs_of_its_image_only",
        ),
    ),
    Defect(
        "foreign-object-overwritten",
        "A thumb overwrites an object that is not ours.",
        (Edit(f"{IMAGING}/adapters/storage.py", "if found.image_id is None or not", "if not"),),
        (f"{STORAGE}::test_object_that_is_not_ours_is_neither_overwritten_nor_deleted",),
    ),
    Defect(
        "late-worker-overwrites",
        "A worker of an older generation overwrites thumbs of a newer one.",
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
        "A worker of an older generation that has overwritten newer thumbs deletes them and does not report it.",
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
        "Late thumbs of an earlier registration stay when the present one fails and overwrites none of them.",
        (
            Edit(
                f"{CATALOG}/key_queue.py",
                "(image is None or image.image_id != about.image_id)",
                "image is None",
            ),
        ),
        (
            f"{KEY_QUEUE}::test_late_result_of_an_earlier_registration_is_cleaned_up_and_the_present_one_processed_again",
        ),
    ),
    Defect(
        "watched-once",
        "The watchdog takes a job for lost that a worker is doing when it looks.",
        (Edit(f"{CATALOG}/jobs/watchdog.py", "[key for key in found if key in suspects]", "found"),),
        (f"{WATCHDOG}::test_what_is_answered_between_two_looks_was_in_hand",),
    ),
    Defect(
        "waiting-jobs-pile-up",
        "Each registration and deletion of a key adds another job, even if no job can be sent.",
        (Edit(f"{CATALOG}/key_queue.py", "if takes_original or not was_never_sent:", "if True:"),),
        (f"{JOBS}::test_key_that_is_registered_and_deleted_again_and_again_has_few_jobs",),
    ),
    Defect(
        "dead-letter-acked-before-kept",
        "A dead letter is removed from the broker before it is in the database.",
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
        "An image whose job was given up stays pending for ever, and blocks its key.",
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
        "The watchdog sends jobs again that merely wait their turn.",
        (Edit(f"{CATALOG}/jobs/watchdog.py", "not behind and all(depth.is_idle for depth in depths)", "not behind"),),
        (f"{WATCHDOG}::test_nothing_is_stuck_while_messages_wait_in_the_broker",),
    ),
    Defect(
        "page-ends-between-buckets",
        "A page of stuck keys that ends between two buckets of one key leaves the second out.",
        (
            Edit(
                f"{CATALOG}/adapters/upkeep_queries.py",
                "sa.tuple_(*place) > sa.tuple_(sa.literal(after[1]), sa.literal(after[0]))",
                "table.c.s3_key > after[1]",
            ),
        ),
        (f"{STUCK}::test_key_that_is_stuck_in_two_buckets_is_found_in_both_however_pages_end",),
    ),
    Defect(
        "run-ends-at-a-step-without-images",
        "A run of reprocessing ends where the images next to each other are none of its selection.",
        (
            Edit(
                f"{CATALOG}/adapters/operators_store.py",
                "return found, found[-1][0] if len(found) == limit else last",
                "return found, found[-1][0] if found else None",
            ),
        ),
        (f"{REPROCESS}::test_selections_narrow_each_other",),
    ),
    Defect(
        "foreign-object-reconciled",
        "Reconcile deletes objects that are not thumbs of ours.",
        (Edit(f"{CATALOG}/upkeep/findings.py", "if found.image_id is None or has_jobs", "if has_jobs"),),
        (f"{ORPHANS}::test_orphan_is_found_and_deleted_and_nothing_else",),
    ),
    Defect(
        "deleted-by-what-was-listed",
        "Reconcile deletes what it found earlier without looking at the database again.",
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
        "answer-brings-back",
        "The answer to a job that was under way shows an image again that was taken down.",
        (
            Edit(
                f"{CATALOG}/key_queue.py",
                "if self.image is not None and self.image.is_taken_down:",
                "if False and self.image:",
            ),
            Edit(f"{CATALOG}/key_queue.py", "generation=image.generation + 1, status=", "status="),
        ),
        (f"{KEY_QUEUE}::test_answer_to_a_job_that_was_under_way_does_not_bring_an_image_back",),
    ),
    Defect(
        "taken-down-key-is-free",
        "What was taken down is registered again by its owner.",
        (Edit(f"{CATALOG}/use_cases/images.py", "if standing.key_is_blocked:", "if False:"),),
        (f"{TAKEDOWN}::test_key_is_blocked_for_everybody_also_when_its_image_is_deleted",),
    ),
    Defect(
        "late-deletion-of-an-original",
        "The original is deleted of an image that was registered again meanwhile.",
        (
            Edit(
                f"{CATALOG}/key_queue.py",
                "if self.former is not None and self.former.takes_original:",
                "if False:",
            ),
        ),
        (
            f"{ORIGINALS}::test_key_is_free_a_day_after_the_original_is_gone_and_not_before",
            f"{MODEL}::test_after_any_history_no_image_was_registered_whose_original_was_being_deleted",
        ),
    ),
    Defect(
        "original-of-somebody-else",
        "An original is deleted that its owner has not uploaded.",
        (
            Edit(
                f"{CATALOG}/use_cases/images.py",
                "if takes_original and image.upload_of != store.own_installation.installation_id:",
                "if False:",
            ),
        ),
        (
            f"{ORIGINALS}::test_what_came_to_s3_in_another_way_is_refused_and_stays_as_it_is",
            f"{ORIGINALS}::test_another_installation_leaves_the_originals_of_the_one_it_was_copied_from",
        ),
    ),
    Defect(
        "taken-down-in-collections",
        "Public collections list images that are taken down.",
        (
            Edit(
                f"{CATALOG}/web/collections.py",
                'members.public_image, "public", hides=True)',
                'members.public_image, "public")',
            ),
        ),
        ("tests/integration/test_public_pages.py::test_image_that_is_taken_down_is_gone_at_every_public_address",),
    ),
    Defect(
        "taken-down-is-reprocessed",
        "Reprocessing all images brings back those that are taken down, or ends with an error.",
        (
            Edit(
                f"{CATALOG}/adapters/operators_store.py",
                "conditions: list[sa.ColumnElement[bool]] = [is_shown]",
                "conditions: list[sa.ColumnElement[bool]] = []",
            ),
        ),
        (f"{TAKEDOWN}::test_nothing_makes_thumbs_of_what_is_taken_down",),
    ),
    Defect(
        "put-of-any-size",
        "A signed PUT takes a file of any size.",
        (Edit(f"{CATALOG}/uploads.py", ', "ContentLength": size}', "}"),),
        ("tests/unit/catalog/test_uploads.py::test_put_is_bound_to_a_key_a_type_and_a_size",),
    ),
    Defect(
        "put-above-the-limit",
        "A PUT is signed for more bytes than the operator allows.",
        (Edit(f"{CATALOG}/web/uploads.py", "if body.bytes > uploads.max_bytes:", "if False:"),),
        ("tests/integration/test_signed_put.py::test_what_no_file_may_have_is_refused_and_named",),
    ),
    Defect(
        "sweep-trusts-what-was-listed",
        "A sweep deletes an upload that was registered since it was found.",
        (
            Edit(
                f"{CATALOG}/upkeep/sweeping.py",
                "if found is None or not _unregistered(store, uploads.bucket, [StoredObject(key, 0)]):",
                "if found is None:",
            ),
        ),
        (f"{SWEEP}::test_what_is_registered_or_gone_or_forgotten_by_then_is_left_alone",),
    ),
    Defect(
        "sweep-of-what-had-thumbs",
        "A sweep deletes what was registered after the backup that the database was restored from.",
        (Edit(f"{CATALOG}/upkeep/sweeping.py", "if has_thumbs or found", "if found"),),
        (f"{SWEEP}::test_what_has_thumbs_was_registered_once_and_is_kept",),
    ),
    Defect(
        "sweep-without-grace",
        "A sweep deletes what was uploaded just now, and is about to be registered.",
        (
            Edit(
                f"{CATALOG}/upkeep/sweeping.py", "if has_thumbs or found.date_modified >= before or", "if has_thumbs or"
            ),
        ),
        (f"{SWEEP}::test_what_is_younger_than_the_grace_is_kept",),
    ),
    Defect(
        "import-skips-what-was-refused-room",
        "An import passes over keys that it could not register at once.",
        (Edit(f"{CATALOG}/upkeep/importing.py", "keys = keys[room:]", "keys = keys[pace.in_flight :]"),),
        (f"{IMPORT}::test_fresh_uploads_go_first",),
    ),
    Defect(
        "metadata-names-have-case",
        "Names of a thumb's metadata are case-sensitive, and servers written in Go capitalise them.",
        (Edit(f"{CHASSIS}/s3/client.py", "{name.lower(): value for", "{name: value for"),),
        (
            f"{STORAGE}::test_thumb_is_written_over_an_older_generation_and_over_another_image",
            f"{ORPHANS}::test_orphans_are_found_and_deleted_whatever_the_server_does",
        ),
    ),
    Defect(
        "conditions-taken-for-granted",
        "S3 is assumed to honour conditional requests, without a probe.",
        (Edit(f"{CHASSIS}/s3/conditions.py", "found = probe(self.client, bucket)\n", "found = ALL\n"),),
        (f"{STORAGE}::test_object_that_is_not_ours_is_neither_overwritten_nor_deleted",),
    ),
    Defect(
        "newer-thumbs-ignored",
        "Thumbs newer than a restored catalog are ignored, so its jobs never get an answer that fits.",
        (Edit(f"{CATALOG}/key_queue.py", "if _met_newer(answer) and self._catch_up", "if False and self._catch_up"),),
        (
            f"{JOBS}::test_image_whose_thumbs_are_newer_goes_on_above_them_at_once",
            f"{JOBS}::test_deletion_that_meets_newer_thumbs_takes_those_too",
        ),
    ),
    Defect(
        "copy-deletes",
        "A database that was restored elsewhere has thumbs deleted that may belong to the original, which goes on.",
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
    # --- the gateway ---
    Defect(
        "client-names-its-source",
        "The gateway believes a header about where a request comes from, so guesses at passwords are never throttled.",
        (
            Edit(
                f"{GATEWAY}/web/authentication.py",
                'request.headers.get("Authorization"), request.remote_addr or ""',
                'request.headers.get("Authorization"), request.headers.get("X-Forwarded-For", "")',
            ),
        ),
        (f"{DOOR}::test_source_of_a_request_is_where_its_connection_comes_from_whatever_its_headers_say",),
    ),
    Defect(
        "path-decoded-twice",
        "A path is decoded twice, so %252F in a key becomes a slash, and the key that of another image.",
        (Edit(f"{GATEWAY}/paths.py", "unquote_to_bytes(raw)", "unquote_to_bytes(unquote_to_bytes(raw))"),),
        ("tests/unit/gateway/test_paths.py::test_target_is_decoded_once",),
    ),
    Defect(
        "secret-in-problem",
        "A problem document shows the whole API key that a path contained, and logs of problems contain secrets.",
        (Edit(f"{GATEWAY}/web/forwarding.py", "api_keys.hide(request.path)", "request.path"),),
        (f"{DOOR}::test_problem_shows_the_id_where_the_path_had_the_whole_key",),
    ),
    Defect(
        "remembered-credentials",
        "A page of another site changes something with the password that a browser adds by itself.",
        (Edit(f"{GATEWAY}/web/cross_site.py", 'scheme != "basic"', 'scheme == "basic"'),),
        ("tests/integration/test_cross_site.py::test_it_is_refused_before_auth_is_asked_and_before_the_body_is_read",),
    ),
    Defect(
        "parameter-ignored",
        "An unknown query parameter is ignored: `?page=2` shows the first page for ever.",
        (Edit(f"{GATEWAY}/web/query.py", "if unknown and not route.public:", "if unknown and route.public:"),),
        (f"{DOOR}::test_parameter_that_a_route_does_not_take_is_refused_or_left_out",),
    ),
    Defect(
        "joined-header-unlimited",
        "Lines of the same name are limited one by one, and what gunicorn makes of them is too long for a service.",
        (Edit(f"{GATEWAY}/door/header_limits.py", "fields.get(name, 0) + joined", "joined"),),
        ("tests/unit/gateway/test_header_limits.py::test_lines_of_a_name_that_do_not_fit_into_one_line_are_too_long",),
    ),
    Defect(
        "change-sent-twice",
        "A change whose answer was lost is sent again, and the client is told that what it has deleted was not there.",
        (Edit(f"{GATEWAY}/services.py", 'method == "GET" if repeatable is None else repeatable', "True"),),
        (f"{DOOR}::test_change_whose_answer_was_lost_is_not_sent_again",),
    ),
    Defect(
        "refused-yet-done",
        "A service that wakes up late makes a change whose client was told that nothing was changed.",
        (
            Edit(
                "libs/chassis/src/chassis/web/callers.py",
                "lambda: connection is None or _is_open(connection)",
                "lambda: True",
            ),
        ),
        (f"{DEADLINES}::test_change_that_was_answered_503_is_not_made_later",),
    ),
    Defect(
        "committed-for-nobody",
        "A change is committed although its caller has hung up meanwhile and was told that it may not have been made.",
        (Edit("libs/chassis/src/chassis/database/transactions.py", "                    deadlines.require()\n", ""),),
        (f"{DEADLINES}::test_nothing_is_committed_for_a_caller_who_hung_up_meanwhile",),
    ),
    Defect(
        "lost-commit-called-harmless",
        "A database that is lost during a commit is called an outage, after which the client repeats what was done.",
        (
            Edit(
                "libs/chassis/src/chassis/database/transactions.py",
                "                    commits = True\n",
                "                    commits = False\n",
            ),
        ),
        (f"{DEADLINES}::test_outcome_is_unknown_if_the_database_is_lost_during_the_commit",),
    ),
    # --- who holds up others ---
    Defect(
        "silent-connections-stay",
        "Connections that say nothing keep their places, and newcomers are refused.",
        (
            Edit(
                f"{GATEWAY}/door/connections.py",
                "if len(self._open) >= self._most and not self._drop_idlest():",
                "if len(self._open) >= self._most:",
            ),
        ),
        (f"{CLIENTS}::test_newcomers_are_served_although_others_hold_more_connections_than_there_are",),
    ),
    Defect(
        "one-source-takes-all",
        "One address may take the connections of all others.",
        (
            Edit(
                f"{GATEWAY}/door/connections.py",
                "self._of_source[client.source] >= self._most_per_source",
                "self._of_source[client.source] >= self._most",
            ),
        ),
        (f"{CLIENTS}::test_one_source_takes_no_connection_from_others",),
    ),
    Defect(
        "head-may-drip",
        "The time-out of a head begins again with each byte, so that one may last for ever.",
        (
            Edit(
                f"{GATEWAY}/door/client.py",
                "self._receive(size, self._deadline - time.monotonic())",
                "self._receive(size, self._patience.head_s)",
            ),
        ),
        (f"{CLIENTS}::test_head_that_does_not_arrive_in_time_is_408_however_it_drips",),
    ),
    Defect(
        "time-zone-of-the-database",
        "Times have the zone of the database's session, so that lists refuse their own cursors.",
        (
            Edit(
                "libs/chassis/src/chassis/database/columns.py",
                "value.astimezone(UTC) if value.tzinfo else",
                "value if value.tzinfo else",
            ),
        ),
        ("tests/integration/test_clocks.py::test_times_are_in_utc_whatever_the_time_zone_of_the_database",),
    ),
    Defect(
        "password-told-to-others",
        "A password that was right for one source is accepted from another one that may not even try.",
        (Edit(f"{AUTH}/passwords.py", 'f"{source}\\0{user_id}', 'f"{user_id}'),),
        (f"{GUESSES}::test_remembered_password_of_another_source_is_not_told_to_one_that_guesses",),
    ),
    Defect(
        "chunks-without-number",
        "A body may come in as many chunks as it has bytes, which takes a hundred times the work.",
        (Edit(f"{GATEWAY}/door/worker.py", "MOST_CHUNKS = 1000", "MOST_CHUNKS = 1_000_000"),),
        (f"{CLIENTS}::test_body_in_too_many_chunks_is_refused",),
    ),
    Defect(
        "no-turns",
        "However many requests come at once, all of them are worked off before anybody else is looked at.",
        (Edit(f"{GATEWAY}/door/turns.py", "\nAT_ONCE = 4\n", "\nAT_ONCE = 10_000\n"),),
        (f"{TURNS}::test_turns_come_in_order_and_a_few_in_each_round",),
    ),
    Defect(
        "everybody-waits-for-a-turn",
        "Any number of requests wait for their turn, the last of them for many seconds.",
        (
            Edit(
                f"{GATEWAY}/door/turns.py",
                "return len(self._waiting) >= part * MOST_WAITING or",
                "return False and",
            ),
        ),
        (f"{CLIENTS}::test_requests_that_come_by_the_hundred_delay_no_health_check",),
    ),
    Defect(
        "long-wait-for-a-turn",
        "However slow the services are, as many requests wait for their turn as if they were fast.",
        (Edit(f"{GATEWAY}/door/turns.py", " or waited_s >= part * LONGEST_WAIT_S", ""),),
        (f"{TURNS}::test_turns_are_taken_when_the_first_who_waits_has_waited_for_long",),
    ),
    Defect(
        "as-many-in-long-rounds",
        "A busy process begins as many requests in each round as an idle one, so that its rounds become ever longer.",
        (Edit(f"{GATEWAY}/door/turns.py", "1 if after_long else self._at_once", "self._at_once"),),
        (f"{TURNS}::test_one_request_begins_in_each_round_while_rounds_are_long",),
    ),
    Defect(
        "places-of-one-source",
        "One address takes all places to wait for a turn.",
        (Edit(f"{GATEWAY}/door/turns.py", "elif self._by_source and", "elif False and"),),
        (f"{TURNS}::test_source_that_sends_many_leaves_places_to_others",),
    ),
    Defect(
        "waiting-in-vain",
        "A password waits for three seconds where it could have been refused at once.",
        (Edit(f"{GATEWAY}/password_checks.py", " or (len(queue) + 1) * self._takes_s / places > wait_s", ""),),
        ("tests/unit/gateway/test_password_checks.py::test_who_would_wait_in_vain_is_refused_at_once",),
    ),
    Defect(
        "refusal-overtakes",
        "A refusal past the HTTP parser answers a later request of the connection before an earlier one.",
        (Edit(f"{GATEWAY}/door/worker.py", "bool(parser.unreader.buf.getvalue())", "False"),),
        (f"{FLOODS}::test_pipelined_requests_after_a_refusal_are_answered_in_their_order",),
    ),
    Defect(
        "guesses-first",
        "Sources that have failed get their turn before others.",
        (
            Edit(
                f"{GATEWAY}/password_checks.py",
                "for queue in (self._first, self._others):",
                "for queue in (self._others, self._first):",
            ),
        ),
        ("tests/unit/gateway/test_password_checks.py::test_source_without_failures_goes_before_those_with",),
    ),
    Defect(
        "health-check-behind-a-crowd",
        "A health check waits until all have begun who have connected before.",
        (Edit(f"{GATEWAY}/door/listener.py", "if is_health_check(sent) and", "if False and"),),
        (f"{LISTENER}::test_health_check_begins_before_others_who_came_before",),
    ),
    Defect(
        "late-health-check-behind-a-crowd",
        "A health check whose first byte comes after its connection was accepted waits for all before it.",
        (
            Edit(
                f"{GATEWAY}/door/listener.py",
                "elif self._begins_at_once(sent):\n            super().do_handle(newcomer",
                "elif False:\n            super().do_handle(newcomer",
            ),
        ),
        (f"{LISTENER}::test_health_check_that_is_sent_after_others_have_come_begins_before_them",),
    ),
    Defect(
        "flood-of-health-checks",
        "Any number of connections begin at once if their first bytes look like a health check.",
        (Edit(f"{GATEWAY}/door/listener.py", " and self._begun_first < FIRST_AT_ONCE", ""),),
        (f"{LISTENER}::test_flood_of_health_checks_does_not_begin_at_once",),
    ),
    Defect(
        "connections-of-nobody",
        "Connections that have ended before they begin hold up others.",
        (Edit(f"{GATEWAY}/door/listener.py", "socket.MSG_PEEK) or None", "socket.MSG_PEEK)"),),
        (f"{LISTENER}::test_connection_that_has_ended_waits_for_nothing",),
    ),
    Defect(
        "many-of-one-address-first",
        "Connections begin in the order in which they came, however many are those of one address.",
        (Edit(f"{GATEWAY}/door/newcomers.py", "if source in self._senders:", "if False:"),),
        (f"{LISTENER}::test_many_of_one_address_do_not_hold_up_another_one",),
    ),
    Defect(
        "silent-before-senders",
        "Connections on which nothing has come hold up those whose request is there.",
        (
            Edit(
                f"{GATEWAY}/door/listener.py",
                "self._waiting.join(newcomer, has_sent=has_sent)",
                "self._waiting.join(newcomer, has_sent=False)",
            ),
        ),
        (f"{LISTENER}::test_many_of_one_address_do_not_hold_up_another_one",),
    ),
    Defect(
        "silent-stay-in-line",
        "Nobody gives way in a full line: all who come later wait in the kernel.",
        (
            Edit(
                f"{GATEWAY}/door/newcomers.py",
                "if idlest is not None:\n            self.leave(idlest)",
                "if idlest is not None:\n            idlest = None",
            ),
        ),
        (f"{LISTENER}::test_who_is_silent_for_longest_gives_way",),
    ),
    Defect(
        "refusal-lost-by-a-reset",
        "Who is refused at the door has its connection reset, since what it sent was not read.",
        (Edit(f"{GATEWAY}/door/listener.py", "        sock.recv(_MOST_UNREAD)\n", ""),),
        (f"{LISTENER}::test_who_is_one_too_many_of_an_address_is_answered",),
    ),
    Defect(
        "end-without-end",
        "A worker that is to end goes on accepting for as long as others connect.",
        (Edit(f"{GATEWAY}/door/listener.py", "for _ in range(BACKLOG):", "for _ in range(100_000):"),),
        (f"{LISTENER}::test_end_accepts_no_more_than_can_have_waited",),
    ),
    Defect(
        "megabytes-of-a-body",
        "Of each body that nobody has asked for a megabyte is kept in memory.",
        (Edit(f"{GATEWAY}/door/client.py", "size = min(size, _PART)", "size = int(size)"),),
        ("tests/unit/gateway/test_door_client.py::test_body_is_read_in_small_parts_however_much_is_asked_for",),
    ),
    Defect(
        "addresses-without-size",
        "Public answers take many times the memory that they may, if their addresses are long.",
        (Edit(f"{GATEWAY}/web/public_answers.py", "2 * sum(map(len, name))", "0"),),
        (f"{PUBLIC_ANSWERS}::test_long_addresses_count_as_memory",),
    ),
    Defect(
        "keys-of-nobody-together",
        "A few keys that no image can have make the call for all others too long.",
        (Edit(f"{GATEWAY}/single_images.py", "s3_key.isprintable()", "True"),),
        (f"{TOGETHER}::test_key_that_no_image_can_have_is_asked_for_alone",),
    ),
    Defect(
        "refused-after-its-turn",
        "A request waits for its turn though it is to be refused then.",
        (Edit(f"{GATEWAY}/web/admission.py", "return self._sources_are_peers and", "return False and"),),
        ("tests/unit/gateway/test_admission.py::test_what_would_be_refused_after_its_turn_is_refused_before",),
    ),
    Defect(
        "images-mixed-up",
        "Of those who ask for images together, each gets the answer of another one.",
        (
            Edit(
                f"{GATEWAY}/asked_together.py",
                "zip(asked, answers, strict=True)",
                "zip(asked, answers[::-1], strict=True)",
            ),
        ),
        (f"{TOGETHER}::test_what_many_ask_for_is_answered_as_if_each_had_asked_alone",),
    ),
    Defect(
        "images-of-others-together",
        "Whoever asks for an image together with others gets it, whosever it is.",
        (
            Edit(
                f"{CATALOG}/use_cases/images.py",
                "if s3_key in found and found[s3_key].user_id == caller.user_id",
                "if s3_key in found",
            ),
        ),
        (f"{CREDENTIALS_TOGETHER}::test_each_caller_gets_their_own_images_only",),
    ),
    Defect(
        "right-key-for-a-wrong-one",
        "A key that is asked about together with others is taken by its id, whatever its secret.",
        (
            Edit(
                f"{AUTH}/use_cases.py",
                "if each.key_id in known and _is_right(known[each.key_id][0], each, now):",
                "if each.key_id in known:",
            ),
        ),
        (f"{CREDENTIALS_TOGETHER}::test_what_is_refused_has_to_be_asked_about_alone_and_is_nobody_elses",),
    ),
    Defect(
        "password-of-a-blocked-account",
        "A password that is asked about together with others is taken although its account has failures.",
        (Edit(f"{AUTH}/authentication.py", "if username in users and subject not in failed", "if username in users"),),
        (f"{CREDENTIALS_TOGETHER}::test_remembered_password_is_asked_about_alone_after_a_change",),
    ),
    Defect(
        "writers-read-together",
        "A key without the scope to read shows an image, if it asks together with others.",
        (
            Edit(
                "libs/chassis/src/chassis/web/access.py",
                "return principal if principal.has_any(rule.scopes) else None",
                "return principal",
            ),
        ),
        (f"{CREDENTIALS_TOGETHER}::test_each_caller_gets_their_own_images_only",),
    ),
    Defect(
        "call-that-hangs-holds-up-all",
        "While one call for a public image hangs, no other one is asked for.",
        (Edit(f"{GATEWAY}/asked_together.py", "LONGEST_WAIT_S = 0.1", "LONGEST_WAIT_S = 20.0"),),
        (f"{TOGETHER}::test_call_that_hangs_holds_up_nobody_else",),
    ),
    Defect(
        "refused-together",
        "If catalog does not answer about several images at once, nobody gets an answer.",
        (
            Edit(
                f"{GATEWAY}/asked_together.py",
                "!= HTTPStatus.OK:\n            return [None] * len(asked)",
                '!= HTTPStatus.OK:\n            raise DependencyDownError("catalog service")',
            ),
        ),
        (f"{TOGETHER}::test_call_that_hangs_holds_up_nobody_else",),
    ),
    Defect(
        "more-bytes-than-told",
        "If catalog tells a wrong size, clients get a part of an image, or that of another one.",
        (Edit(f"{GATEWAY}/single_images.py", "if entry is not None) != len(rest):", "if entry is not None) > 1e9:"),),
        (f"{TOGETHER}::test_nonsense_about_several_images_reaches_no_client",),
    ),
    Defect(
        "unacceptable-keys-together",
        "Keys that no image can have are asked for, which PostgreSQL refuses, for all who ask together.",
        (
            Edit(
                f"{CATALOG}/web/images.py", "[key for key in asked.s3_keys if is_acceptable_key(key)]", "asked.s3_keys"
            ),
        ),
        (f"{TOGETHER}::test_each_image_is_answered_byte_for_byte_as_alone",),
    ),
    Defect(
        "read-all-at-once",
        "Thousands of requests that come at the same moment are read before anything else is done.",
        (Edit(f"{GATEWAY}/door/turns.py", "if self._reading.take_free():", "if self._reading.take_free() or True:"),),
        ("tests/unit/gateway/test_turns.py::test_requests_of_the_same_moment_are_read_a_few_in_each_round",),
    ),
    Defect(
        "guesses-without-rest",
        "One guess follows another at once, so that they take a whole processor.",
        (Edit(f"{GATEWAY}/password_checks.py", "gevent.spawn_later(rest_s, self._end_rest)", "self._guesses -= 1"),),
        ("tests/unit/gateway/test_password_checks.py::test_guesses_have_half_of_the_places_half_of_the_time",),
    ),
    Defect(
        "everybody-waits-for-hashing",
        "Any number of passwords wait for hashing, until no thread is left for requests that need none.",
        (Edit(f"{AUTH}/passwords.py", "self._places.acquire(blocking=False)", "self._places.acquire(timeout=60)"),),
        ("tests/unit/auth/test_passwords.py::test_no_more_passwords_wait_for_hashing_than_may",),
    ),
    Defect(
        "private-answer-cached",
        "Caches may keep private answers, and show the images of one user to the next.",
        (
            Edit(
                f"{GATEWAY}/web/public.py",
                "fresh = path.startswith(_CACHED_PREFIXES) and status",
                "fresh = status",
            ),
        ),
        (f"{DOOR}::test_caches_keep_public_answers_only_and_no_refusals",),
    ),
    Defect(
        "form-for-a-foreign-page",
        "Pages of other sites reserve prefixes for uploads with the password that a browser remembers.",
        (Edit(f"{GATEWAY}/web/cross_site.py", 'or (method == "GET" and rule in _CHANGED_BY_GET)', ""),),
        (f"{DOOR}::test_page_of_another_site_reserves_no_prefix_for_uploads",),
    ),
    Defect(
        "limits-used-up-by-foreign-pages",
        "The images of a page of another site are requests of its reader, up to the limits and beyond.",
        (Edit(f"{GATEWAY}/web/cross_site.py", "url_rule.rule) and _is_followed_link():", "url_rule.rule):"),),
        (f"{DOOR}::test_page_of_another_site_uses_up_nobodys_limits_by_reading",),
    ),
    Defect(
        "answers-may-be-framed",
        "Pages of other sites may show answers in a frame, and answers may load what browsers find in them.",
        (
            Edit(
                f"{GATEWAY}/web/public.py", "answer.headers.setdefault(name, value)", "answer.headers.get(name, value)"
            ),
        ),
        (f"{DOOR}::test_browsers_are_told_to_load_nothing_for_an_answer_and_to_show_it_in_no_frame",),
    ),
    # --- who may ---
    Defect(
        "expired-key-accepted",
        "An API key works on after the moment at which it expires.",
        (Edit(f"{AUTH}/use_cases.py", "if key.has_expired(moment) or not key", "if not key"),),
        (f"{SIGN_IN}::test_key_is_refused_from_the_moment_on_at_which_it_expires",),
    ),
    Defect(
        "expired-key-is-a-guess",
        "A program whose key has expired has the other programs at its address throttled.",
        (
            Edit(
                f"{AUTH}/use_cases.py",
                "    if key.has_expired(moment) or not key.has_secret(presented.digest, moment):\n"
                "        raise KeyOverError(key.user_id)\n    return True",
                "    if key.has_expired(moment) or not key.has_secret(presented.digest, moment):\n"
                "        return False\n    return True",
            ),
        ),
        (f"{SIGN_IN}::test_expired_key_is_no_guess",),
    ),
    Defect(
        "rest-of-a-password-is-ignored",
        "Whatever follows the longest password is cut off, so that it is accepted, too.",
        (Edit(f"{AUTH}/credentials.py", "password[: LONGEST_SENT + 1]", "password[:LONGEST_SENT]"),),
        ("tests/unit/auth/test_credentials.py::test_what_is_sent_after_a_password_makes_it_another_one",),
    ),
    Defect(
        "common-password-accepted",
        "A password may be one of those that everybody tries first.",
        (Edit(f"{AUTH}/domain.py", "    if is_common(password):", "    if is_common(password) and not password:"),),
        ("tests/unit/auth/test_domain.py::test_password_that_is_guessed_first_or_never_works_is_refused",),
    ),
    Defect(
        "upload-prefix-can-be-guessed",
        "The prefix of an upload form is short enough to be guessed once it is nobody's.",
        (Edit(f"{CATALOG}/use_cases/uploads.py", "_PREFIX_BYTES = 16", "_PREFIX_BYTES = 5"),),
        (f"{CATALOG_STORE}::test_prefix_has_128_random_bits_and_leaves_room_for_the_longest_name",),
    ),
    Defect(
        "password-as-typed",
        "A password is compared as it was sent, so it is wrong on a keyboard that sends its accents in another form.",
        (Edit(f"{AUTH}/domain.py", 'unicodedata.normalize("NFC", spaced)', "spaced"),),
        ("tests/unit/auth/test_domain.py::test_password_is_the_same_in_every_form_that_is_typed",),
    ),
    Defect(
        "old-password-remembered",
        "A password that was verified a moment ago still counts after it was changed.",
        (Edit(f"{AUTH}/passwords.py", "\\0{stored}\\0", "\\0"),),
        (
            f"{SIGN_IN}::test_changed_password_is_refused_on_the_next_request_by_every_process",
            "tests/unit/auth/test_passwords.py::test_remembered_password_is_forgotten_with_its_hash",
        ),
    ),
    Defect(
        "owner-locked-out",
        "Failures count by account alone, so anybody can lock its owner out.",
        (Edit(f"{AUTH}/throttle.py", "\\0{username}\\0{network_of(source)}", "\\0{username}"),),
        (f"{SIGN_IN}::test_wrong_passwords_delay_the_account_at_that_source_only",),
    ),
    Defect(
        "unknown-name-refused-sooner",
        "A name that no user has is refused without hashing, so the time of an answer tells which names exist.",
        (
            Edit(
                f"{AUTH}/passwords.py",
                "        with self._lock:\n            if self._remembers(proof):",
                "        if not user_id:\n            return False\n"
                "        with self._lock:\n            if self._remembers(proof):",
            ),
        ),
        (f"{GUESSES}::test_guess_at_a_name_that_does_not_exist_waits_for_a_slot_of_hashing_too",),
    ),
    Defect(
        "spray-never-counted",
        "Wrong passwords count for each account alone, so a source may try one at every account there is.",
        (
            Edit(
                f"{AUTH}/throttle.py",
                "    store.add_failure(source, moment, moment + _MINUTE, renew=False)\n",
                "",
            ),
        ),
        (f"{GUESSES}::test_spray_over_many_accounts_blocks_its_source_and_no_other",),
    ),
    Defect(
        "guesses-at-once",
        "Guesses that are sent all at once are checked against the throttle before any has failed, and never again.",
        (
            Edit(
                f"{AUTH}/authentication.py",
                "        self.database.read(self._refuse_blocked, account, all_accounts)\n",
                "",
            ),
        ),
        (f"{GUESSES}::test_right_password_is_refused_if_its_account_was_blocked_while_it_was_hashed",),
    ),
    Defect(
        "key-by-its-id",
        "An API key is recognised by its id, which is shown everywhere, whatever its secret.",
        (
            Edit(
                f"{AUTH}/use_cases.py",
                "if not key.had_secret(presented.digest):",
                "if False:",
            ),
            Edit(
                f"{AUTH}/domain.py",
                "        if same_digest(self.digest, digest):\n            return True\n",
                "        if digest:\n            return True\n",
            ),
        ),
        (f"{SIGN_IN}::test_key_with_the_right_id_and_another_secret_is_refused",),
    ),
    Defect(
        "child-outlives-its-parent",
        "A key made with another one stays when that one is revoked: whoever stole it has made keys of their own.",
        (
            Edit(
                f"{AUTH}/use_cases.py",
                "parent_id=parent.key_id if parent else None,",
                "parent_id=None,",
            ),
        ),
        (f"{CHILDREN}::test_all_descendants_are_revoked_with_a_key_and_nothing_else",),
    ),
    Defect(
        "child-has-more-scopes",
        "A key may make one that may do more than itself.",
        (Edit(f"{AUTH}/domain.py", "if scope not in parent.scopes]", "if scope not in SCOPES]"),),
        (f"{CHILDREN}::test_child_has_no_scope_that_its_parent_lacks",),
    ),
    Defect(
        "child-has-all-scopes",
        "A key that is made with another one, and is asked for no scopes, has all instead of its parent's.",
        (Edit(f"{AUTH}/domain.py", "return parent.scopes", "return SCOPES"),),
        (f"{CHILDREN}::test_child_is_like_its_parent_unless_less_is_asked_for",),
    ),
    Defect(
        "child-lives-longer",
        "A key that expires may make one that does so later.",
        (Edit(f"{AUTH}/domain.py", "if expires_at > parent.expires_at:", "if False:"),),
        (f"{CHILDREN}::test_child_expires_with_its_parent_at_the_latest",),
    ),
    Defect(
        "disabled-users-are-not-counted",
        "Who has credentials of a disabled user has auth look them up as often as they like.",
        (
            Edit(
                f"{AUTH}/authentication.py",
                "        subject = throttle.refused_subject(user_id, source)\n",
                "        subject = throttle.refused_subject(user_id, source)\n        return\n",
            ),
        ),
        (f"{DISABLED}::test_right_credentials_of_a_disabled_user_cause_no_work_without_bound",),
    ),
    Defect(
        "child-revokes-its-parent",
        "Whoever was given a key that was made with another one revokes that one.",
        (Edit(f"{AUTH}/use_cases.py", "        raise NotADescendantError", "        pass"),),
        (f"{ACCESS}::test_child_may_do_with_its_relatives_what_the_matrix_says",),
    ),
    Defect(
        "expired-keys-count",
        "Who has made as many keys for an hour as they may have can make no other until they revoke some.",
        (Edit(f"{AUTH}/adapters/store.py", "user_id == user_id, not_expired)", "user_id == user_id)"),),
        (f"{SIGN_IN}::test_expired_keys_do_not_count_and_the_last_of_them_stay",),
    ),
    Defect(
        "expired-parent",
        "A key that expires between authentication and its work makes another key.",
        (Edit(f"{AUTH}/use_cases.py", "key is None or key.has_expired(moment)", "key is None"),),
        (f"{CHILDREN}::test_key_that_has_expired_after_its_authentication_makes_no_key",),
    ),
    Defect(
        "endless-generations",
        "A line of keys may be so long that the database cannot revoke its first one.",
        (Edit(f"{AUTH}/domain.py", "MOST_GENERATIONS = 8", "MOST_GENERATIONS = 2000"),),
        (f"{CHILDREN}::test_generations_are_limited_so_that_the_first_can_be_revoked_with_all",),
    ),
    Defect(
        "old-secret-for-ever",
        "The secret that a key had before its rotation is accepted after the overlap, too.",
        (Edit(f"{AUTH}/domain.py", "and moment < self.previous_expires_at", ""),),
        (f"{ROTATION}::test_old_secret_is_accepted_until_the_overlap_ends",),
    ),
    Defect(
        "old-secret-lost",
        "A rotation ends the old secret at once, before any program has the new one.",
        (Edit(f"{AUTH}/domain.py", "same_digest(self.previous_digest, digest)", "False"),),
        (f"{ROTATION}::test_old_secret_is_accepted_until_the_overlap_ends",),
    ),
    Defect(
        "rotation-gives-rights",
        "A key rotates one that may do more than itself, and gets its secret.",
        (Edit(f"{AUTH}/use_cases.py", 'if caller.method == "key" and', "if False and"),),
        (f"{ROTATION}::test_key_does_not_get_the_secret_of_a_key_that_may_do_more_or_outlives_it",),
    ),
    Defect(
        "oldest-secret-kept",
        "A second rotation keeps the oldest secret instead of the one that programs use.",
        (
            Edit(
                f"{AUTH}/use_cases.py",
                "made.digest, previous_digest=key.digest, previous_expires_at=ends)\n    rotated",
                "made.digest, key.previous_digest or key.digest, ends)\n    rotated",
            ),
        ),
        (f"{ROTATION}::test_second_rotation_ends_the_oldest_of_three_secrets",),
    ),
    Defect(
        "keys-outlive-the-password",
        "A change of the password that is to revoke all API keys leaves them.",
        (
            Edit(
                f"{AUTH}/use_cases.py",
                "else WrongPasswordError\n    if revoke_api_keys:\n",
                "else WrongPasswordError\n    if False:\n",
            ),
        ),
        (f"{SIGN_IN}::test_all_keys_of_the_user_are_revoked_with_the_old_password_and_nobody_elses",),
    ),
    Defect(
        "old-secret-rotates",
        "Who has found an old secret of a key gives it a new one, and ends the one that its owner has.",
        (Edit(f"{AUTH}/use_cases.py", "    if not _is_of(caller, key.digest):", "    if False:"),),
        (f"{ROTATION}::test_previous_secret_neither_rotates_nor_makes_keys",),
    ),
    Defect(
        "key-by-an-old-password",
        "Who knows the old password begins to make a key before its change, and has one when all are revoked.",
        (
            Edit(
                f"{AUTH}/use_cases.py",
                "        if not _is_of(caller, user.password_hash):\n",
                "        if False:\n",
            ),
        ),
        (f"{SIGN_IN}::test_who_came_with_the_old_password_makes_no_key_after_its_change",),
    ),
    Defect(
        "scopes-not-demanded",
        "A key may do what its scopes do not allow: the token tells them, and nobody looks.",
        (Edit(f"{CHASSIS}/web/access.py", "if not caller().has_any(rule.scopes) and", "if False and"),),
        (
            "tests/unit/chassis/web/test_access.py::test_one_of_the_scopes_is_needed_and_enough",
            "tests/integration/test_scopes.py::test_every_private_operation_of_auth_refuses_a_key_without_its_scope",
        ),
    ),
    Defect(
        "scopes-lost-in-the-token",
        "The token does not tell the scopes of the key, and so allows everything.",
        (Edit(f"{CHASSIS}/tokens.py", "if principal.scopes is not None:", "if principal.scopes:"),),
        ("tests/unit/chassis/test_tokens.py::test_token_tells_the_key_of_the_caller_and_its_scopes",),
    ),
    Defect(
        "key-is-anything",
        "Authentication takes every key for one with all scopes.",
        (Edit(f"{AUTH}/authentication.py", "frozenset(key.scopes), key.key_id", "None, key.key_id"),),
        (f"{SIGN_IN}::test_password_and_key_tell_who_calls",),
    ),
    Defect(
        "operation-without-a-rule",
        "A service starts although nobody has said which scope one of its operations takes.",
        (Edit(f"{CHASSIS}/web/access.py", "if operations != set(rules):", "if operations < set(rules):"),),
        ("tests/unit/chassis/web/test_access.py::test_service_starts_only_with_a_rule_for_every_operation",),
    ),
    Defect(
        "any-key-is-itself",
        "A key without scopes may show and revoke every other key, and not only itself.",
        (Edit(f"{AUTH}/web/access.py", "and caller.key_id == request", "and request"),),
        ("tests/integration/test_scopes.py::test_every_private_operation_of_auth_refuses_a_key_without_its_scope",),
    ),
    Defect(
        "new-key-signs-before-it-is-known",
        "The new key signs tokens before the other services know it.",
        (
            Edit(
                f"{AUTH}/token_key_rotation.py",
                "pair.write_public([key.public_key() for key in (*former, new)])",
                "pass",
            ),
        ),
        ("tests/integration/test_signing_key_rotation.py::test_no_request_fails_while_keys_follow_each_other",),
    ),
    Defect(
        "rotation-overwrites-anothers",
        "A rotation in Secrets of Kubernetes overwrites what somebody else has written meanwhile.",
        (
            Edit(
                f"{AUTH}/adapters/key_secrets.py",
                'before = self._seen.get(name) or self._ask("GET", name)',
                'before = self._ask("GET", name)',
            ),
        ),
        ("tests/integration/test_key_secrets.py::test_overtaken_rotation_ends_and_the_next_retires_what_it_left",),
    ),
    Defect(
        "keys-read-once",
        "A process does not notice that a file of keys was replaced.",
        (Edit(f"{CHASSIS}/token_keys.py", "if state != self._seen and", "if False and"),),
        ("tests/unit/chassis/test_token_keys.py::test_replaced_file_is_read_again_and_kept_in_mind_when_unreadable",),
    ),
    Defect(
        "token-for-anybody",
        "A service accepts a token that was signed for another service.",
        (Edit(f"{CHASSIS}/tokens.py", '"verify_iat": False,', '"verify_iat": False,\n"verify_aud": False,'),),
        ("tests/unit/chassis/test_tokens.py::test_token_for_another_service_is_refused",),
    ),
    Defect(
        "update-by-the-clock",
        "Two changes of an image have one `date_updated` if the clock goes back, and so one entity tag.",
        (
            Edit(
                f"{CATALOG}/domain.py",
                "return max(moment, self.date_updated + timedelta(microseconds=1))",
                "return moment",
            ),
        ),
        (
            f"{KEY_QUEUE}::test_every_change_is_updated_later_than_the_one_before_whatever_the_clock_says",
            f"{CATALOG_STORE}::test_change_of_a_title_is_updated_later_than_the_state_before_although_the_clock_went_back",
        ),
    ),
    Defect(
        "pages-without-end",
        "A page has as many items as are asked for, however large they are.",
        (Edit(f"{CHASSIS}/web/paging.py", "or (count and left < -1)", "or not count and limit < 0"),),
        (f"{PAGES}::test_pages_end_at_their_bytes_and_together_show_everything",),
    ),
    Defect(
        "loads-more-than-it-shows",
        "The rows of a whole page are loaded, although most of them have no place in its bytes.",
        (
            Edit(
                f"{CATALOG}/adapters/queries.py",
                '        .where(counted.c.before < sa.bindparam("max_bytes", type_=sa.BigInteger))\n',
                "",
            ),
        ),
        (f"{PAGES}::test_what_a_page_has_no_place_for_is_not_loaded",),
    ),
    Defect(
        "tag-of-the-number-of-members",
        "`If-Match` counts the images of a collection, and misses that one was exchanged for another.",
        (
            Edit(
                f"{CATALOG}/web/tags.py",
                "etags.of_parts(collection.collection_id, collection.revision, count)",
                "etags.of_parts(collection.collection_id, count)",
            ),
        ),
        (f"{PAGES}::test_tag_of_any_page_is_good_for_if_match_while_the_membership_is_unchanged",),
    ),
    Defect(
        "if-match-of-nothing",
        "`If-Match` of an image that is not in the collection counts as a match, and the image is added.",
        (
            Edit(
                f"{CATALOG}/web/collections.py",
                "images.tag_of(image, principal) if image else None",
                'images.tag_of(image, principal) if image else "".join(request.if_match)',
            ),
        ),
        (f"{PAGES}::test_image_that_is_no_member_matches_no_tag",),
    ),
    Defect(
        "head-like-get",
        "HEAD of the signed post records a prefix that nobody will ever use.",
        (
            Edit(
                f"{GATEWAY}/web/forwarding.py",
                "target = (route.head_target if is_head else None) or route.target",
                "target = route.target",
            ),
        ),
        ("tests/integration/test_head.py::test_head_of_the_signed_post_records_no_prefix",),
    ),
    Defect(
        "upload-prefix-of-nobody",
        "Upload prefixes are forgotten while their forms are still good for uploads.",
        (
            Edit(
                f"{CATALOG}/adapters/user_queries.py",
                ".where(upload_prefixes.c.date_created < before).limit(limit)",
                ".limit(limit)",
            ),
        ),
        (f"{CATALOG_STORE}::test_prefix_is_reserved_for_a_time_and_then_shared",),
    ),
    Defect(
        "tag-of-the-image-only",
        "The entity tag of an image does not change with it, so clients keep what they have.",
        (
            Edit(
                f"{CATALOG}/web/tags.py",
                "return version.image_id, version.date_updated.isoformat(),",
                "return version.image_id,",
            ),
        ),
        (f"{PAGES}::test_every_change_of_an_image_changes_all_tags",),
    ),
    Defect(
        "cursor-of-any-zone",
        "A cursor may name a time in any zone; one of the year 1 cannot be converted to UTC and ends as a 500.",
        (Edit(f"{CHASSIS}/web/paging.py", "moment.utcoffset() != timedelta(0) or ", ""),),
        ("tests/unit/chassis/web/test_paging.py::test_forged_cursor_of_a_moment_and_uuid_is_refused",),
    ),
    Defect(
        "cursor-of-any-list",
        "A cursor is accepted by a list that did not return it, and a page begins at a place that means nothing there.",
        (Edit(f"{CHASSIS}/web/paging.py", "_cursor(place, listing) == cursor", "place is not None"),),
        ("tests/unit/chassis/web/test_paging.py::test_cursor_of_another_list_is_refused",),
    ),
    Defect(
        "image-shown-to-another-user",
        "Any user sees the private form of any image.",
        (
            Edit(
                f"{CATALOG}/use_cases/images.py",
                "store.image(s3_key, locked=locked)\n    if image is None or image.user_id != caller.user_id:",
                "store.image(s3_key, locked=locked)\n    if image is None:",
            ),
        ),
        (f"{CATALOG_STORE}::test_image_of_another_user_answers_like_one_that_is_not_there",),
    ),
    Defect(
        "upload-prefix-of-anybody",
        "Whoever learns of an upload can register it, although its prefix was handed out to another user.",
        (
            Edit(
                f"{CATALOG}/use_cases/images.py", "if standing.prefix_owner not in {None, caller.user_id}:", "if False:"
            ),
        ),
        (f"{CATALOG_STORE}::test_prefix_that_was_handed_out_for_uploads_is_of_one_user",),
    ),
    Defect(
        "stale-deletion",
        "An image is deleted although it is not in the state that the caller's If-Match names.",
        (Edit(f"{CATALOG}/use_cases/images.py", "    check(image)\n    queue.withdraw", "    queue.withdraw"),),
        (f"{CATALOG_STORE}::test_image_in_another_state_than_the_caller_has_read_is_neither_changed_nor_deleted",),
    ),
    # --- requests that are sent again ---
    Defect(
        "answer-kept-afterwards",
        "The answer is kept after the change is committed, so a crash between the two has the change made again.",
        (
            Edit(
                f"{CHASSIS}/web/idempotency.py",
                "        kept_answers.keep(connection, kept, claimed, _kept(answer, secret_of))\n",
                "",
            ),
            Edit(
                f"{CHASSIS}/web/idempotency.py",
                "    return transact(database.engine, make)\n",
                "    answer = transact(database.engine, make)\n"
                "    if REPLAYED not in answer.headers:\n"
                "        transact(database.engine, kept_answers.keep, kept, claimed, _kept(answer, secret_of))\n"
                "    return answer\n",
            ),
        ),
        (
            f"{REPEATS}::test_change_whose_answer_cannot_be_kept_is_not_made",
            f"{CRASHES}::test_answer_that_was_lost_after_the_commit_is_given_to_the_repeat",
        ),
    ),
    Defect(
        "kept-without-a-bound",
        "A user who makes and deletes what has a long description fills the disk with answers that are kept.",
        (Edit(f"{CHASSIS}/database/kept_answers.py", "        raise TooManyKeysError(", "        print("),),
        (f"{REPEATS}::test_no_more_is_kept_for_a_user_than_may_be_and_what_is_kept_is_answered_again",),
    ),
    Defect(
        "repeat-not-locked",
        "Two requests under the same key are carried out at the same time.",
        (Edit(f"{CHASSIS}/database/kept_answers.py", "raise KeyInFlightError", "pass"),),
        (f"{REPEATS}::test_request_in_flight_on_another_replica_is_refused_until_it_is_answered",),
    ),
    Defect(
        "any-body-answered-again",
        "Another request under the same key gets the answer of the first one.",
        (Edit(f"{CHASSIS}/idempotency.py", "query, hashlib.sha256(body).hexdigest()]", "query, len(body) > 0]"),),
        (f"{REPEATS}::test_another_request_under_the_same_key_is_refused",),
    ),
    Defect(
        "key-of-everybody",
        "Who uses the key of another user gets that one's answer.",
        (
            Edit(
                f"{CHASSIS}/database/kept_answers.py",
                "return kept_answers.c.user_id == claimed.user_id, kept_answers",
                "return kept_answers.c.user_id != '', kept_answers",
            ),
        ),
        (f"{REPEATS}::test_key_is_of_one_user",),
    ),
    Defect(
        "secret-kept",
        "The secret of a new API key lies in the database for a day.",
        (
            Edit(
                f"{CHASSIS}/web/idempotency.py",
                'KeptAnswer(answer.status_code, {"Location": secret_of(answer)}, None)',
                'KeptAnswer(answer.status_code, {"Location": secret_of(answer)}, answer.get_data())',
            ),
        ),
        (f"{REPEATS}::test_secret_is_not_kept_and_a_repeat_names_the_key",),
    ),
    Defect(
        "answers-kept-for-ever",
        "An answer is given again until the worker deletes it, and without a worker for ever.",
        (
            Edit(
                f"{CHASSIS}/database/kept_answers.py", "if row.date_created <= now() - KEPT_FOR:", "if row.status == 0:"
            ),
        ),
        (f"{REPEATS}::test_answer_is_kept_for_a_day",),
    ),
    Defect(
        "key-not-forwarded",
        "The gateway drops the key.",
        (Edit(f"{GATEWAY}/web/forwarding.py", '"If-None-Match", idempotency.HEADER)', '"If-None-Match")'),),
        (f"{CRASHES}::test_answer_that_was_lost_after_the_commit_is_given_to_the_repeat",),
    ),
    # --- users ---
    Defect(
        "disabled-by-password-only",
        "The API keys of a disabled user go on working.",
        (
            Edit(
                f"{AUTH}/authentication.py",
                "        if user.date_disabled is not None:\n            self._note_refused(user.user_id, source)\n"
                "            raise UserDisabledError\n        if key",
                "        if key",
            ),
        ),
        (f"{DISABLED}::test_right_credentials_of_a_disabled_user_are_told_from_wrong_ones",),
    ),
    Defect(
        "disabled-told-to-guessers",
        "Who guesses learns which users are disabled, and so that they exist.",
        (
            Edit(
                f"{AUTH}/authentication.py",
                "        user_id, password_hash = (user.user_id",
                "        if user and user.date_disabled:\n            raise UserDisabledError\n"
                "        user_id, password_hash = (user.user_id",
            ),
        ),
        (f"{DISABLED}::test_guesses_at_a_disabled_user_are_answered_as_those_at_nobody",),
    ),
    Defect(
        "disabled-request-goes-on",
        "A request that was admitted before its user was disabled leaves a new API key behind.",
        (
            Edit(
                f"{AUTH}/use_cases.py",
                "    if user.date_disabled is not None:\n        raise UserDisabledError\n    if caller",
                "    if caller",
            ),
        ),
        (f"{DISABLED}::test_who_came_before_is_left_with_no_key_and_no_new_password",),
    ),
    Defect(
        "confirmed-by-name",
        "The password of a new user of a name confirms a change for the user who had the name before.",
        (Edit(f"{AUTH}/authentication.py", "found is None or found.user_id != user.user_id", "found is None"),),
        (f"{DISABLED}::test_password_of_a_new_user_does_not_confirm_a_change_for_the_one_who_had_the_name",),
    ),
    # --- audit log ---
    Defect(
        "audit-before-commit",
        "The audit log tells of effects that were refused or rolled back.",
        (
            Edit(
                f"{CHASSIS}/audit.py",
                "    try:\n        yield target\n",
                "    done(action, actor, **target)\n    try:\n        yield target\n        return\n",
            ),
        ),
        ("tests/unit/chassis/test_audit.py::test_nothing_is_written_unless_the_effect_is_committed",),
    ),
    Defect(
        "audit-with-passwords",
        "What was typed as a username is in the audit log, also if it was a password.",
        (
            Edit(
                f"{AUTH}/authentication.py",
                "DependencyDownError):\n            presented = credentials.read(authorization)\n",
                "DependencyDownError):\n            presented = credentials.read(authorization)\n"
                "            key_id = getattr(presented, 'username', None)\n",
            ),
        ),
        (f"{AUDIT}::test_failed_logins_tell_whose_account_it_was_and_no_more",),
    ),
    Defect(
        "audit-without-a-bound",
        "Who is refused again and again chooses how long the audit log becomes.",
        (Edit(f"{CHASSIS}/repeated_refusals.py", "            if kind in self._waiting:", "            if False:"),),
        (
            "tests/unit/chassis/test_repeated_refusals.py::test_first_is_told_at_once_and_those_after_it_by_a_count",
            f"{AUDIT}::test_what_a_caller_is_refused_is_told_once_however_often_they_ask",
        ),
    ),
    Defect(
        "audit-by-log-level",
        "Who sets a higher log level loses the audit log.",
        (Edit(f"{CHASSIS}/logs.py", "    audit.propagate = False\n", "    audit.handlers.clear()\n"),),
        ("tests/unit/chassis/test_audit.py::test_line_is_written_at_every_level_and_has_every_member",),
    ),
    # --- pictures ---
    Defect(
        "bomb-decoded",
        "The limits are checked after decoding, and a bomb of a few bytes takes all memory.",
        (
            Edit(
                f"{IMAGING}/pipeline/opening.py",
                "    _check(image.size, memory",
                "    image.load()\n    _check(image.size, memory",
            ),
        ),
        ("tests/unit/imaging/test_limits.py::test_picture_over_the_limits_is_refused_by_its_header_alone",),
    ),
    Defect(
        "metadata-in-thumbs",
        "Comments of an original get into its thumbs, which everybody may read.",
        (Edit(f"{IMAGING}/pipeline/decoding.py", "        image.info.clear()", "        image.info.copy()"),),
        ("tests/unit/imaging/test_metadata.py::test_comment_of_an_original_is_in_none_of_its_thumbs",),
    ),
    Defect(
        "cut-heic-shown",
        "A HEIC that was cut short is shown, green where its tiles are missing.",
        (
            Edit(
                f"{IMAGING}/pipeline/boxes.py",
                "        if end > len(data):\n",
                "        if end > 2 * len(data) + 2**20:\n",
            ),
        ),
        ("tests/unit/imaging/test_boxes.py::test_tiles_of_a_phone_that_were_cut_are_malformed",),
    ),
    Defect(
        "cut-jpeg-shown",
        "A JPEG that was cut short and closed is shown, grey from there on.",
        (Edit(f"{IMAGING}/pipeline/jpeg.py", "_MIDDLE = {127, 128}", "_MIDDLE = {129}"),),
        ("tests/unit/imaging/test_jpeg.py::test_jpeg_that_was_cut_and_closed_is_malformed",),
    ),
    Defect(
        "jpeg-without-colours-shown",
        "A JPEG some of whose colours never come is shown without them.",
        (
            Edit(
                f"{IMAGING}/pipeline/jpeg.py",
                "            return data.find(_END, at) >= 0\n",
                "            return False\n",
            ),
        ),
        ("tests/unit/imaging/test_jpeg.py::test_jpeg_some_of_whose_colours_never_come_is_malformed",),
    ),
    Defect(
        "former-display-picture-stays",
        "The display picture of an original stays in S3 when another one needs none.",
        (
            Edit(
                f"{IMAGING}/use_cases.py",
                "if DISPLAY_SQUARE not in pictures and job.generation > 1:",
                "if DISPLAY_SQUARE not in pictures and job.generation < 1:",
            ),
        ),
        (
            "tests/integration/test_storage.py::test_original_that_browsers_show_now_has_its_former_display_picture_deleted",
        ),
    ),
    Defect(
        "children-without-threads",
        "Children may make no threads, so that no HEIC is decoded unless imaging runs as root.",
        (Edit(f"{IMAGING}/sandbox/confinement.py", "if not system_calls.forbid_processes():", "if True:"),),
        ("tests/unit/imaging/test_sandbox.py::test_confined_child_decodes_every_format",),
    ),
    Defect(
        "children-make-processes",
        "A decoder that a picture has taken over makes processes, which outlive their limits.",
        (
            Edit(
                f"{IMAGING}/sandbox/system_calls.py",
                "(_IF_SET, 1, 0, _CLONE_THREAD)",
                "(_IF_SET, 1, 1, _CLONE_THREAD)",
            ),
        ),
        ("tests/unit/imaging/test_sandbox.py::test_confined_child_cannot",),
    ),
    Defect(
        "raw-for-its-preview",
        "A raw file of a camera is taken for the small preview within it.",
        (Edit(f"{IMAGING}/pipeline/tiff.py", "        self._refuse_raw()\n", ""),),
        ("tests/unit/imaging/test_tiff.py::test_raw_file_is_named_and_never_taken_for_its_preview",),
    ),
    Defect(
        "light-above-white-clipped",
        "HDR pictures are shown pale, since their samples are taken for sRGB's.",
        (
            Edit(
                f"{IMAGING}/pipeline/colour_spaces.py",
                "if numbers.transfer in {_PQ, _HLG}:",
                "if numbers.transfer == -1:",
            ),
        ),
        (f"{COLOUR_SPACES}::test_light_up_to_a_bright_grey_looks_as_in_a_picture_without_more",),
    ),
    Defect(
        "orientation-ignored",
        "Pictures that a camera stored sideways are shown sideways.",
        (Edit(f"{IMAGING}/pipeline/decoding.py", "orientation = orientation_of(image)", "orientation = 1"),),
        ("tests/unit/imaging/test_pipeline.py::test_picture_is_turned_upright",),
    ),
    Defect(
        "one-thumb-missing",
        "Imaging answers that an image is processed although one of its thumbs could not be written.",
        (Edit(f"{IMAGING}/use_cases.py", "    if faults:\n", "    if len(faults) == len(done):\n"),),
        (
            "tests/integration/test_whole_thumbs.py::test_image_of_which_one_thumb_was_not_written_is_not_told_to_be_processed",
        ),
    ),
    # --- limits ---
    Defect(
        "each-process-has-the-whole-limit",
        "A process that takes more of a user's minute than is left lets all of it pass.",
        (
            Edit(
                f"{AUTH}/rate_limits.py",
                "count=held + min(wanted, max(0, most - (taken.count - wanted))),",
                "count=held + wanted,",
            ),
        ),
        (f"{RATE_LIMITS}::test_several_processes_never_admit_more_than_the_limit",),
    ),
    Defect(
        "batch-counts-as-one",
        "A batch counts as one request, whatever the limit of writes is.",
        (
            Edit(
                f"{GATEWAY}/web/forwarding.py",
                "(more := request_bodies.count_items(",
                "(more := 0 * request_bodies.count_items(",
            ),
        ),
        (f"{BATCHES}::test_operations_count_for_the_limits_and_a_batch_beyond_them_changes_nothing",),
    ),
    Defect(
        "batch-without-scopes",
        "A key that may register only deletes by a batch.",
        (Edit(f"{CATALOG}/web/batches.py", "    access.require(_RULES[op][1])\n", ""),),
        (f"{BATCHES}::test_each_operation_takes_its_own_scope",),
    ),
    Defect(
        "batch-repeated",
        "The operations of a batch share one idempotency key, so that a repeat knows only one of them.",
        (Edit(f"{CATALOG}/web/batches.py", "part=Part(number, content)", "part=Part(0, content)"),),
        (f"{BATCHES}::test_repeat_under_the_same_key_does_nothing_twice_and_may_correct_what_was_refused",),
    ),
    Defect(
        "uncounted-is-refused",
        "While counts of requests cannot be written, requests of users with limits fail.",
        (Edit(f"{AUTH}/rate_limits.py", "except DependencyDownError:", "except ZeroDivisionError:"),),
        (f"{RATE_LIMITS}::test_requests_pass_while_no_count_can_be_written",),
    ),
    Defect(
        "minute-without-end",
        "A minute that is over by the database's clock is counted on.",
        (
            Edit(
                f"{AUTH}/adapters/store.py",
                '"taken": sa.case((is_over, count), else_=known.taken + count),',
                '"taken": known.taken + count,',
            ),
        ),
        (f"{RATE_LIMITS}::test_minute_ends_for_all_processes",),
    ),
    Defect(
        "too-many-requests-is-a-wrong-password",
        "The gateway takes the refusal of too many requests for that of a wrong password.",
        (
            Edit(
                f"{GATEWAY}/web/authentication.py",
                "status = HTTPStatus.OK if rate_limits.is_refusal(answer) else answer.status",
                "status = answer.status",
            ),
        ),
        (f"{RATE_LIMITS}::test_password_of_who_sends_too_much_counts_as_right",),
    ),
    Defect(
        "quota-looked-at-without-a-lock",
        "Of two images that are registered at once, both pass where there is room for one.",
        (
            Edit(
                f"{CATALOG}/use_cases/images.py",
                "limits.require_image(store.locked_use(caller.user_id))",
                "limits.require_image(store.use(caller.user_id))",
            ),
        ),
        (f"{QUOTAS}::test_who_comes_while_the_last_place_is_being_taken_is_refused",),
    ),
    Defect(
        "first-image-locks-nothing",
        "A user who has nothing has no row to be locked, and registers any number of images at once.",
        (
            Edit(
                f"{CATALOG}/adapters/user_queries.py",
                "        if row is None:  # there is no row to be locked before the first image or collection\n",
                "        if row is None:\n            return Use()\n",
            ),
        ),
        (f"{QUOTAS}::test_who_comes_while_the_last_place_is_being_taken_is_refused",),
    ),
    Defect(
        "deletion-of-a-user-locks-the-count-first",
        "The deletion of a user waits for a result of imaging, which waits for the count that the deletion has locked.",
        (
            Edit(f"{CATALOG}/users.py", f"    {LOAD_KEYS}\n", ""),
            Edit(f"{CATALOG}/users.py", "    images = []\n", f"    {LOAD_KEYS}\n    images = []\n"),
            Edit(f"{CATALOG}/users.py", "not queues and not collections", "not collections"),
        ),
        (f"{QUOTAS}::test_results_come_while_their_user_is_deleted",),
    ),
    Defect(
        "keys-are-counted-without-a-lock",
        "Of two API keys that are made at once, both are made where there is room for one.",
        (Edit(f"{AUTH}/use_cases.py", "        store.lock_new_keys(caller.user_id)\n", "        pass\n"),),
        (f"{SIGN_IN}::test_key_is_refused_while_the_last_one_is_being_made",),
    ),
    Defect(
        "size-of-an-image-is-never-taken-off",
        "The size of an image that fails, or is processed again with another size, is counted on.",
        (
            Edit(
                f"{CATALOG}/migrations/versions/0008_what_each_user_has.py",
                'size="coalesce(NEW.bytes, 0) - coalesce(OLD.bytes, 0)"',
                'size="coalesce(NEW.bytes, 0)"',
            ),
        ),
        (f"{QUOTAS}::test_use_follows_whatever_is_made_measured_and_deleted",),
    ),
    Defect(
        "user-fails-with-catalog",
        "A user cannot be shown, nor the password be changed, while catalog is away.",
        (
            Edit(
                f"{GATEWAY}/web/completion.py",
                "    except (DependencyDownError, KeyError):\n",
                "    except KeyError:\n",
            ),
        ),
        (f"{USE}::test_user_is_shown_and_changed_while_catalog_is_away",),
    ),
    Defect(
        "password-is-stale-when-use-changes",
        "The password cannot be changed with an entity tag from before something else was made.",
        (
            Edit(
                f"{AUTH}/web/routes.py",
                "etags.require_match_of_part(request, etags.of(schemas.present_user(user)))",
                "etags.require_match(request, etags.of(schemas.present_user(user)))",
            ),
        ),
        (f"{USE}::test_tag_follows_what_the_user_has_and_if_match_only_what_they_are",),
    ),
    # --- operations ---
    Defect(
        "deletions-leave-first",
        "Uploads wait until all jobs have left the outbox that a deleted user leaves behind.",
        (Edit(f"{CHASSIS}/database/outbox.py", "order_by(*columns)", "order_by(*columns[1:])"),),
        (f"{CATALOG_STORE}::test_deletions_leave_the_outbox_after_all_other_jobs",),
    ),
    Defect(
        "swept-before-published",
        "The outbox is swept by the age of its rows, so events are deleted unsent if the broker was away for long.",
        (
            Edit(
                f"{CHASSIS}/database/outbox.py",
                "PUBLISHED, outbox.c.date_published < now()",
                "outbox.c.date_created < now()",
            ),
        ),
        (f"{DELIVERY}::test_what_was_published_long_ago_is_swept_and_nothing_else",),
    ),
    Defect(
        "always-ready",
        "A process whose own checks fail is called ready, and gets requests that it cannot serve.",
        (
            Edit(
                f"{CHASSIS}/health.py", "ready = all(result.passed for result in own_results.values())", "ready = True"
            ),
        ),
        ("tests/unit/chassis/test_health.py::test_own_checks_decide_readiness_and_shared_ones_are_only_shown",),
    ),
    Defect(
        "metrics-of-the-supervisor-only",
        "A web service shows the metrics of the process that supervises the others, which answers no request.",
        (
            Edit(f"{CHASSIS}/program.py", "        shared_metrics.share()\n", "        pass\n"),
            Edit(f"{CHASSIS}/web/server.py", "    if settings.ops_port and not", "    if False and not"),
        ),
        (f"{METRICS}::test_port_shows_the_sum_over_all_web_processes",),
    ),
    Defect(
        "gauges-of-the-dead",
        "What a web process had in progress when it was killed is shown until the service ends.",
        (
            Edit(
                f"{CHASSIS}/web/server.py",
                "        if shared_metrics.are_shared():\n            multiprocess",
                "        if False:\n            multiprocess",
            ),
        ),
        (f"{METRICS}::test_counts_of_web_processes_that_were_killed_are_kept_and_their_gauges_are_not",),
    ),
    Defect(
        "reprocessing-counts-as-waiting",
        "An image that is reprocessed after a year counts as one for which its user has waited for a year.",
        (
            Edit(
                f"{CATALOG}/jobs/results.py",
                "return before.date_created if before.date_pending == before.date_created else None",
                "return before.date_created",
            ),
        ),
        ("tests/integration/test_time_to_ready.py::test_reprocessing_is_left_out",),
    ),
    Defect(
        "formats-of-a-compromised-child",
        "A child that was taken over by a picture makes as many series of metrics as it likes, until memory ends.",
        (Edit(f"{IMAGING}/metrics.py", '_FORMATS.get(content_type, "other")', "content_type"),),
        ("tests/unit/imaging/test_sandbox.py::test_child_cannot_invent_formats_in_metrics",),
    ),
    Defect(
        "statuses-of-a-strange-server",
        "An S3 server that invents statuses makes as many series of metrics as it likes.",
        (Edit(f"{CHASSIS}/s3/metrics.py", 'str(status) if status in _STATUSES else "other"', "str(status)"),),
        ("tests/unit/chassis/s3/test_metrics.py::test_server_cannot_invent_statuses_in_metrics",),
    ),
    Defect(
        "strangers-choose-traces",
        "Whoever sends a header to the gateway has all that follows traced and kept.",
        (Edit(f"{GATEWAY}/web/app.py", "continues_traces=settings.trusted_proxies > 0", "continues_traces=True"),),
        ("tests/unit/gateway/test_trust_in_traces.py::test_trace_of_a_client_goes_on_behind_a_trusted_proxy_only",),
    ),
    Defect(
        "trace-ends-at-a-retry",
        "A job that is tried again is in no trace any more.",
        (Edit(f"{CHASSIS}/broker/verdicts.py", "tracing.HEADER: delivery.traceparent,", 'tracing.HEADER: "",'),),
        (f"{TRACING}::test_every_attempt_at_a_message_is_of_the_span_that_sent_it",),
    ),
    Defect(
        "texts-of-errors-in-traces",
        "A collector is sent the texts of errors, some of which have secrets in them.",
        (Edit(f"{CHASSIS}/tracing.py", "self.fail(kind.__name__)", "self.fail(str(_fault))"),),
        (f"{TRACING}::test_failure_is_shown_without_the_text_of_the_error",),
    ),
    Defect(
        "forged-lines-for-people",
        "What a client sends begins a line of the log for people, or changes their terminal.",
        (Edit(f"{CHASSIS}/logs.py", "    if text.isprintable():\n", "    if text:\n"),),
        ("tests/unit/chassis/test_logs.py::test_text_for_people_keeps_an_event_in_one_line",),
    ),
    Defect(
        "public-answers-for-long",
        "A change of an image, or its deletion, shows publicly after many seconds only.",
        (Edit(f"{GATEWAY}/web/public_answers.py", "FRESH_S = 0.9", "FRESH_S = 9.0"),),
        (f"{PUBLIC_ANSWERS}::test_answer_is_given_again_for_less_than_a_second",),
    ),
    Defect(
        "page-that-escapes-nothing",
        "The title of a picture becomes a part of the page.",
        (Edit(f"{GATEWAY}/web/pages/rendering.py", "autoescape=True", "autoescape=False"),),
        ("tests/unit/gateway/test_pages.py::test_what_a_stranger_has_written_is_text_on_a_page",),
    ),
    Defect(
        "page-without-its-policy-after-a-304",
        "A browser that has a page replaces its policy, and shows no pictures any more.",
        (Edit(f"{GATEWAY}/web/pages/views.py", "answer.headers.pop(_POLICY, None)", "pass"),),
        ("tests/integration/test_public_pages.py::test_without_memory_pages_are_the_same",),
    ),
    Defect(
        "oembed-of-another-site",
        "The address of any site that looks like ours is taken for a page of this installation.",
        (Edit(f"{GATEWAY}/web/pages/site.py", "_origin(url) != _origin(public_url) or", ""),),
        ("tests/unit/gateway/test_pages.py::test_only_addresses_of_this_installation_are_pages",),
    ),
    Defect(
        "neighbour-of-another-place",
        "From a picture in a collection one gets to the first one instead of the one before.",
        (
            Edit(
                f"{CATALOG}/adapters/collection_queries.py",
                "return query.where(_OWN).order_by(*_by_place_backwards(memberships.c)).limit(LIMIT)",
                "return query.where(_OWN).order_by(*_by_place(memberships.c)).limit(LIMIT)",
            ),
        ),
        ("tests/integration/test_public_pages.py::test_an_image_of_a_collection_leads_to_those_beside_it",),
    ),
    Defect(
        "id-of-another-request",
        "A problem document that several clients share has the request id of one of them.",
        (Edit(f"{GATEWAY}/web/public_answers.py", "if entry.is_problem:", "if False:"),),
        (f"{PUBLIC_ANSWERS}::test_problem_that_is_shared_has_the_id_of_each_request",),
    ),
    Defect(
        "public-answers-without-a-bound",
        "Whoever asks for ever new public addresses fills the memory of the gateway.",
        (Edit(f"{GATEWAY}/web/public_answers.py", "while self._bytes > self._most_bytes:", "while False:"),),
        (f"{PUBLIC_ANSWERS}::test_memory_is_bounded_and_what_is_asked_for_stays",),
    ),
    Defect(
        "restart-of-the-database-is-an-outage",
        "After a restart of PostgreSQL each idle connection makes one request fail.",
        (
            Edit(
                f"{CHASSIS}/database/transactions.py",
                "if fault.connection_invalidated and not commits and not was_lost and number < ATTEMPTS:",
                "if False:",
            ),
        ),
        (f"{TRANSACTIONS}::test_connections_that_ended_while_they_were_idle_are_replaced",),
    ),
    Defect(
        "lost-work-is-done-again-for-ever",
        "Work in which the connection is lost each time is done five times.",
        (Edit(f"{CHASSIS}/database/transactions.py", "                was_lost = True\n", "                pass\n"),),
        (f"{TRANSACTIONS}::test_work_whose_connection_is_lost_is_done_once_more_and_not_again",),
    ),
    Defect(
        "token-of-a-removed-key",
        "A token that was verified before goes on being accepted after its key was removed.",
        (
            Edit(
                f"{CHASSIS}/tokens.py",
                "    if name in keys:\n        return claims",
                "    if claims:\n        return claims",
            ),
        ),
        (
            "tests/unit/chassis/test_tokens.py::test_token_that_was_verified_before_is_refused_once_it_is_over_or_its_key_is_gone",
        ),
    ),
    Defect(
        "closed-connection-is-used-again",
        "A change that is sent on a connection which the service has closed is answered as of unknown outcome.",
        (
            Edit(
                f"{GATEWAY}/kept_connections.py",
                "        return False  # it has ended, or something came that nobody has asked for\n",
                "        return True\n",
            ),
        ),
        ("tests/unit/gateway/test_services.py::test_connection_that_the_service_has_closed_is_not_used_again",),
    ),
    Defect(
        "header-in-a-header",
        "A line break in a header of a client becomes another header of the request to a service.",
        (Edit(f"{GATEWAY}/kept_connections.py", "any(map(_UNSENDABLE.search, lines)) or", "False or"),),
        ("tests/unit/gateway/test_services.py::test_header_that_would_be_more_than_one_is_not_sent",),
    ),
    Defect(
        "cache-is-told-max-age",
        "The cache of the edge keeps answers for the whole max-age, as if they had not been underway before.",
        (Edit(f"{GATEWAY}/web/public.py", "max_age_s - 1 - max(took_s, FRESH_S)", "max_age_s"),),
        (f"{EDGE_CACHE}::test_change_shows_within_max_age",),
    ),
    Defect(
        "credentials-fill-the-cache",
        "The edge caches what is asked for with credentials.",
        (Edit(NGINX, "proxy_no_cache $not_cached $has_credentials", "proxy_no_cache $not_cached"),),
        (f"{EDGE_CACHE}::test_whoever_sends_credentials_neither_fills_nor_reads_the_cache",),
    ),
    Defect(
        "credentials-read-the-cache",
        "The edge answers what is asked for with credentials from its cache.",
        (Edit(NGINX, "proxy_cache_bypass $not_cached $has_credentials", "proxy_cache_bypass $not_cached"),),
        (f"{EDGE_CACHE}::test_whoever_sends_credentials_neither_fills_nor_reads_the_cache",),
    ),
    Defect(
        "not-modified-for-everybody",
        "The edge caches the 304 of one client, and gives it to others.",
        (Edit(NGINX, '"~^200 [0-9]{1,5}$" "";', '"~^200 [0-9]{1,5}$" ""; ~^304 "";'),),
        (f"{EDGE_CACHE}::test_a_304_for_one_client_is_no_answer_for_others",),
    ),
    Defect(
        "cached-request-id",
        "Each answer of the edge's cache has the id of the request that filled it.",
        (Edit(NGINX, "    proxy_hide_header X-Request-ID;\n", ""),),
        (f"{EDGE_CACHE}::test_answers_are_kept_and_each_request_has_an_id_of_its_own",),
    ),
    Defect(
        "age-of-cached-answers-is-hidden",
        "Clients count an answer of the edge's cache as new.",
        (Edit(NGINX, "    proxy_pass_header Date;\n", ""),),
        (f"{EDGE_CACHE}::test_date_tells_clients_how_old_a_kept_answer_is",),
    ),
    Defect(
        "spellings-fill-the-cache",
        "The edge caches an answer once more for each spelling of its address.",
        (
            Edit(
                NGINX,
                "        default 1;\n    }\n    map $http_authorization",
                '        default "";\n    }\n    map $http_authorization',
            ),
        ),
        (f"{EDGE_CACHE}::test_other_spellings_of_a_public_address_are_answered_without_the_cache",),
    ),
    Defect(
        "lost-change-is-sent-again",
        "The edge sends a change again whose answer was lost.",
        (Edit(NGINX, "    proxy_next_upstream off;\n", "    proxy_next_upstream error non_idempotent;\n"),),
        (f"{EDGE}::test_a_request_whose_answer_is_lost_is_not_sent_again_and_the_client_is_told",),
    ),
    Defect(
        "forged-prefix",
        "A client behind the edge chooses the path prefix of answers.",
        (Edit(NGINX, 'proxy_set_header X-Forwarded-Prefix "";\n', ""),),
        (f"{EDGE}::test_what_clients_could_forge_does_not_arrive",),
    ),
    Defect(
        "forged-source",
        "A client behind the edge chooses the address that its failed logins are counted for.",
        (Edit(NGINX, "X-Forwarded-For $remote_addr", "X-Forwarded-For $http_x_forwarded_for"),),
        (f"{EDGE}::test_what_clients_could_forge_does_not_arrive",),
    ),
)
