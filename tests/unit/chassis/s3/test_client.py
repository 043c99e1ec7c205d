import pytest
from pydantic import SecretStr

from chassis.s3 import client as s3
from chassis.s3.conditions import ALL, NONE, UNKNOWN, KeptConditions
from chassis.settings import ProcessSettings


@pytest.mark.parametrize("told", ['"abc"', 'W/"abc"', "abc", ' "abc" ', "W/abc"])
def test_entity_tag_is_the_same_in_whatever_form_a_server_sends_it(told: str) -> None:
    assert (s3.bare(told), s3.quoted(told)) == ("abc", '"abc"')


def test_condition_has_the_form_that_the_server_accepts() -> None:
    assert ALL.if_unchanged("abc") == ALL.if_undeleted('"abc"') == {"IfMatch": '"abc"'}
    bare = KeptConditions(creations=True, overwrites=True, deletions=True, quoted=False)
    assert bare.if_unchanged('W/"abc"') == {"IfMatch": "abc"}


def test_condition_that_is_not_kept_is_not_sent() -> None:
    assert (NONE.if_absent(), NONE.if_unchanged("abc"), NONE.if_undeleted("abc")) == ({}, {}, {})
    assert NONE.unkept() == ["creating", "overwriting", "deleting"]
    assert ALL.unkept() == []


def test_condition_of_which_nothing_is_known_is_sent_and_reported_as_not_kept() -> None:
    assert (UNKNOWN.if_absent(), UNKNOWN.if_unchanged("abc")) == ({"IfNoneMatch": "*"}, {"IfMatch": '"abc"'})
    assert UNKNOWN.unkept() == NONE.unkept()


@pytest.mark.parametrize(
    ("endpoint", "style", "address"),
    [
        ("http://s3.test", "auto", "http://s3.test/pics/a"),
        ("http://s3.test", "virtual", "http://pics.s3.test/a"),
        (None, "auto", "https://pics.s3.amazonaws.com/a"),
        (None, "path", "https://s3.amazonaws.com/pics/a"),
    ],
)
def test_buckets_of_an_endpoint_are_addressed_by_path_unless_set_otherwise(
    endpoint: str | None, style: s3.AddressingStyle, address: str
) -> None:
    client = s3.connect(s3.Access(endpoint, "us-east-1", "key-id", "secret", style))
    signed = client.generate_presigned_url("get_object", Params={"Bucket": "pics", "Key": "a"})
    assert signed.partition("?")[0] == address


class _Settings(ProcessSettings):
    copy_s3_endpoint_url: str | None = None
    copy_s3_region: str = "us-east-1"
    copy_s3_access_key_id: str = "key-id"
    copy_s3_secret_access_key: SecretStr = SecretStr("secret")
    copy_s3_addressing_style: s3.AddressingStyle = "path"


def test_access_is_read_from_the_settings_of_its_prefix() -> None:
    assert s3.Access.from_settings(_Settings(), "copy_s3") == s3.Access(None, "us-east-1", "key-id", "secret", "path")
