import pytest

from ferjax.errors import UserError
from ferjax.storage.address import Address, read_address


@pytest.mark.parametrize(
    ("text", "bucket", "key"),
    [
        ("s3://my-bucket/runs/a", "my-bucket", "runs/a"),
        ("gs://my.bucket_1", "my.bucket_1", ""),
        ("s3://bucket/", "bucket", ""),
        ("s3://bucket//runs//a b/é/", "bucket", "runs/a b/é"),
    ],
)
def test_an_address_is_read_and_shown_as_one_without_needless_slashes(text, bucket, key):
    address = read_address(text)
    assert address == Address(text[:2], bucket, key)
    assert read_address(str(address)) == address


@pytest.mark.parametrize("path", ["", "a", "~/a", "/x", "a:b/c", "C:/x", "./s3://bucket", "fer2013:x"])
def test_a_path_is_no_address(path):
    assert read_address(path) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hdfs://host/x", "hdfs://host/x is an address of a kind that cannot be used"),
        ("http://host/x", "cannot be used"),
        ("HTTPS://host", "cannot be used"),
        ("file:///x", "cannot be used"),
        ("gs:/bucket/run", "names no bucket: an address is gs://BUCKET/FOLDER"),
        ("S3://bucket/run", "an address is s3://BUCKET/FOLDER"),
        ("s3://", "names no bucket"),
        ("s3:///x", "names no bucket"),
        ("s3://b/x", "names no bucket"),
        ("s3://Bucket/x", "names no bucket"),
        ("s3://bucket/a/../b", "holds . or .."),
        ("s3://bucket/" + "x" * 1000, "too long"),
        ("s3://bucket/a\0", "null character"),
        ("s3://key:secret@bucket/x", "credentials come from the environment"),
    ],
)
def test_another_address_is_one_short_line_that_repeats_no_password(text, message):
    with pytest.raises(UserError) as caught:
        read_address(text)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_places_beside_and_below():
    run = Address("s3", "bucket", "runs/a")
    assert run.name == "a"
    assert str(run.joined("", "checkpoints", "10")) == "s3://bucket/runs/a/checkpoints/10"
    assert str(run.beside("a-against")) == "s3://bucket/runs/a-against"
    assert str(Address("s3", "bucket", "a").beside("b")) == "s3://bucket/b"
    with pytest.raises(UserError, match="cannot lie beside the bucket"):
        Address("s3", "bucket", "").beside("b")
