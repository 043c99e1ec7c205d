"""Where the edge answers otherwise than the gateway alone, and why: these tests do not run through it."""

_CONDITIONS = "nginx refuses conditions that are repeated as 400"
_KEPT = "the gateway closes its connection to the edge, and the edge keeps that of the client"
_HOST = "nginx takes no Host that is empty, or no name"

# What is in the name of a test, and the reason.
DIFFERENCES = {
    "test_headers_of_a_name_that_are_too_long_together_are_431": _CONDITIONS,
    "test_longest_headers_that_are_taken_arrive_whole": _CONDITIONS,
    "test_the_answer_to_what_cannot_be_read_says_the_same": "nginx looks for Host before the gateway sees long headers",
    "test_what_http_does_not_allow_is_400[edge_stack-GET ftp": "nginx takes any scheme in an absolute address",
    "test_every_version_of_http_1_is_answered[edge_stack-GET /healthz HTTP/1.0": "nginx answers in HTTP/1.1",
    "test_no_answer_is_built_from_the_host_header[edge_stack-]": _HOST,
    "test_no_answer_is_built_from_the_host_header[edge_stack-a b]": _HOST,
    "test_what_cannot_be_read_is_a_problem_too[edge_stack-long": _KEPT,
    "test_headers_that_are_too_long_together_are_431": _KEPT,
    "test_what_cannot_be_read_is_a_problem_too[edge_stack-expectation": "nginx ignores what it does not expect",
    "test_a_refused_body_is_not_read_to_its_end": "the edge refuses such a body itself, whoever sends it",
    "test_other_methods_of_public_resources_are_405_and_may_be_read_too[edge_stack-TRACE": "nginx knows no TRACE",
}


def of(node_id: str) -> str | None:
    """Return why the test `node_id` does not run through the edge; None if it does."""
    return next((reason for name, reason in DIFFERENCES.items() if name in node_id), None)
