"""A PST that goes to S3 as a multipart upload and never touches a disk: the same bytes as the file."""

import hashlib
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws

from exporters.pst import Attachment, FileSink, Message, PartsSink, Writer
from tests.unit.pst.samples import CREATED, SUBJECT, TIME, build, plain

MIB = 1 << 20
PART = 5 * MIB  # the least that S3 takes


class Upload:
    """One multipart upload; remembers in which order parts left and how much was held by the sink meanwhile."""

    def __init__(self, client: Any) -> None:
        self.client, self.order, self.etags = client, [], {}  # type: ignore[var-annotated]
        self.id = client.create_multipart_upload(Bucket="mail", Key="mail.pst")["UploadId"]

    def put(self, number: int, data: bytes) -> None:
        given = {"Bucket": "mail", "Key": "mail.pst", "UploadId": self.id, "PartNumber": number}
        self.etags[number] = self.client.upload_part(Body=data, **given)["ETag"]
        self.order.append((number, len(data)))

    def complete(self) -> bytes:
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in sorted(self.etags.items())]
        given = {"Bucket": "mail", "Key": "mail.pst"}
        self.client.complete_multipart_upload(UploadId=self.id, MultipartUpload={"Parts": parts}, **given)
        return bytes(self.client.get_object(**given)["Body"].read())


def fill(writer: Writer) -> None:
    """40 MiB, so that an FMap page (behind 31.7 MiB) stands in a part of its own."""
    folders = build(writer)
    for number in range(10):
        pieces = (bytes([number, step & 255]) * 8192 for step in range(256))
        message = Message({SUBJECT: f"large {number}", CREATED: TIME}, attachments=[Attachment(data=pieces)])
        writer.add_message(folders["inbox"], message)
        writer.add_message(folders["below"], plain(number))


def test_a_multipart_upload_is_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mail.pst"
    with path.open("w+b") as file, Writer(lambda part: FileSink(file), seed=b"seed", display_name="Mail") as writer:
        fill(writer)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        client.create_bucket(Bucket="mail")
        upload = Upload(client)
        sink = PartsSink(upload.put, part_size=PART)
        with Writer(lambda part: sink, seed=b"seed", display_name="Mail", temporary=tmp_path) as writer:
            fill(writer)
        stored = upload.complete()
    whole = path.read_bytes()
    assert len(whole) > 40 * MIB
    assert hashlib.sha256(stored).hexdigest() == hashlib.sha256(whole).hexdigest()
    numbers = [number for number, _ in upload.order]
    fmap = 0x1F04800 // PART + 1
    assert numbers[-1] == 1, "the beginning comes last"
    assert numbers.index(fmap) > numbers.index(fmap + 1), "the part with the free map waits until the map is known"
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert {size for number, size in upload.order if number != len(numbers)} == {PART}


def test_nothing_is_left_where_the_upload_breaks(tmp_path: Path) -> None:
    """Part 1 is never sent: what is there cannot be completed into a file with a header."""
    sent = []

    def put(number: int, data: bytes) -> None:
        if number == 4:
            raise ConnectionError("gone")
        sent.append(number)

    sink = PartsSink(put, part_size=PART)
    try:
        with Writer(lambda part: sink, seed=b"seed", display_name="Mail", temporary=tmp_path) as writer:
            fill(writer)
    except Exception as error:  # noqa: BLE001
        assert "the sink does not take the file: gone" in str(error)
    assert sent == [2, 3]
