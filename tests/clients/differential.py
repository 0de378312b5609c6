"""What the differential test plays, on a bucket or a service, straight and through Palisade.

A case is a function from a `Side`; with it stands what the backend has to answer, status by status. `test_differential.py`
plays them.
"""

import base64
import gzip
import hashlib
import re
import zlib
from collections.abc import Callable
from urllib.parse import quote

from harness.mirror import Side
from harness.payloads import TRAILER, Mode, blocks, checksum

MIB = 1 << 20
Case = Callable[[Side], object]

# Keys: bytes, whatever they look like.
KEYS = ["plain", "a b", " a ", "a+b", "a%b", "a%2Fb", "a%252Fb", "a//b", "a/", "./a", "a/./b", "a/../b", "..", "*", "~", "'", "(a)", "!", ":", "@", "&", "=",
        ";", ",", "$", "?a=b", "#a", "\\", '"<>', "{a}|^`", "é€", "e\u0301", "😀"]
# Where a tenant may write anywhere.
ROOT_KEYS = ["/", "/a", "//a", "/../a", "_palisade/x"]
# The same key in spellings that clients use and that S3 takes for the same.
SPELT = {"a b+c": ["a%20b+c", "a%20b%2bc"], "a/b": ["a%2Fb", "a%2fb", "%61/b"], "*'()!": ["*'()!", "%2a%27%28)%21"], ":@&=;,$": [":@&=;,$"],
         "~-_.": ["%7E%2D%5F%2E"], "é": ["%c3%a9"], "a//b": ["a/%2Fb"], "b/..": ["b/%2e%2E"], "%2F": ["%252F"]}
LIFE = "200 200 200 200 204 200"

BYTES = b"0123456789"
ETAG = f'"{hashlib.md5(BYTES).hexdigest()}"'


def whole_life(side: Side, key: str, spelt: str | None = None):
    """Put, head, get, list, delete, and gone."""
    spelt = spelt and f"/{side.prefix}{spelt}"
    side.object("PUT", key, headers={"Content-Type": "text/plain"}, body=key.encode(), spelt=spelt)
    side.object("HEAD", key, spelt=spelt)
    side.object("GET", key, spelt=spelt)
    side.on_bucket("GET", f"encoding-type=url&list-type=2&prefix={quote(side.prefix + key, safe='~')}")
    side.object("DELETE", key, spelt=spelt)
    side.on_bucket("GET", f"list-type=2&prefix={quote(side.prefix + key, safe='~')}")


def keys(side: Side):
    for key in [*KEYS, "k" * (1024 - len(side.prefix)), "€" * ((1024 - len(side.prefix)) // 3)]:
        whole_life(side, key)


def root_keys(side: Side):
    for key in ROOT_KEYS:
        whole_life(side, key)


def spellings(side: Side):
    for key, spelt in SPELT.items():
        for one in spelt:
            whole_life(side, key, one)


def on_object(*requests: tuple) -> Case:
    """Requests to the object `k`, which holds `BYTES`: method, query, headers, body."""

    def play(side: Side):
        side.object("PUT", "k", headers={"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}, body=BYTES)
        for request in requests:
            side.object(request[0], "k", *request[1:])

    return play


def on_bucket(*requests: tuple) -> Case:
    """Requests to a bucket that holds three objects: method, query, headers, body."""

    def play(side: Side):
        for key in ("k", "a b/c+d", "a/b"):
            side.object("PUT", key, body=BYTES)
        for request in requests:
            side.on_bucket(*request)

    return play


def listings(side: Side):
    p = quote(side.prefix, safe="")
    on_bucket(
        ("GET", f"list-type=2&prefix={p}a%2F"), ("GET", f"prefix={p}a&list-type=2"), ("GET", f"delimiter=%2F&list-type=2&prefix={p}"),
        ("GET", f"list-type=2&max-keys=1&prefix={p}&start-after={p}a%20b%2Fc%2Bc"), ("GET", f"delimiter=&list-type=2&prefix={p}"),
        ("GET", f"encoding-type=url&list-type=2&prefix={p}a%20b"), ("GET", f"marker={p}a%2F&prefix={p}"), ("GET", f"prefix={p}none"),
    )(side)


def spelt_listings(side: Side):
    """Blanks as `+`, unescaped slashes, lower-case hexadecimal, and `&` too many: one query."""
    p = side.prefix
    for spelt in (f"list-type=2&prefix={p}a+b/c%2bd", f"list-type=2&&prefix={p}a%20b/c%2Bd&", f"list%2dtype=%32&prefix={p}a+b%2fc%2Bd"):
        on_bucket(("GET", f"list-type=2&prefix={quote(p, safe='')}a%20b%2Fc%2Bd", None, b"", spelt))(side)


def pages(side: Side):
    """A continuation token goes back as it came."""
    for key in ("a", "b"):
        side.object("PUT", key, body=b"x")
    query = f"list-type=2&max-keys=1&prefix={quote(side.prefix, safe='')}"
    first = side.on_bucket("GET", query).body.decode()
    token = re.search("<NextContinuationToken>([^<]+)", first)[1]
    side.on_bucket("GET", f"continuation-token={quote(token, safe='~')}&{query}")


TAGS = b"<Tagging><TagSet><Tag><Key>a b</Key><Value>c+d</Value></Tag></TagSet></Tagging>"
VERSIONING = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


def copies(side: Side):
    side.object("PUT", "a b", headers={"x-amz-meta-a": "1"}, body=BYTES)
    source = quote(f"{side.bucket}/{side.prefix}a b")
    side.object("PUT", "copy", headers={"x-amz-copy-source": f"/{source}"})
    side.object("GET", "copy")
    side.object("PUT", "copy", headers={"x-amz-copy-source": source, "x-amz-metadata-directive": "REPLACE", "x-amz-meta-b": "2"})
    side.object("HEAD", "copy")


def begin(side: Side, key: str, headers: dict | None = None) -> str:
    document = side.object("POST", key, "uploads=", headers).body.decode()
    return quote(side.made_up("upload", re.search("<UploadId>([^<]+)", document)[1]), safe="~")


def multipart(side: Side):
    upload = begin(side, "mp", {"Content-Type": "image/png", "x-amz-meta-a": "1"})
    parts = ""
    for number, body in ((1, b"p" * (5 * MIB)), (2, b"last")):
        etag = side.object("PUT", "mp", f"partNumber={number}&uploadId={upload}", body=body).header("etag")
        parts += f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
    document = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    side.object("POST", "mp", f"uploadId={upload}", body=document)
    side.object("HEAD", "mp")
    side.object("GET", "mp", headers={"Range": f"bytes={5 * MIB - 2}-"})
    aborted = begin(side, "mp")
    side.object("PUT", "mp", f"partNumber=1&uploadId={aborted}", body=b"x")
    side.object("DELETE", "mp", f"uploadId={aborted}")
    side.object("PUT", "mp", f"partNumber=2&uploadId={aborted}", body=b"x")


def parts(side: Side):
    upload = begin(side, "mp")
    side.object("PUT", "mp", f"partNumber=7&uploadId={upload}", body=b"seven")
    side.object("GET", "mp", f"max-parts=10&uploadId={upload}")
    side.on_bucket("GET", "uploads")
    side.object("DELETE", "mp", f"uploadId={upload}")
    side.object("GET", "mp", f"uploadId={upload}")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def crc32(data: bytes) -> str:
    return b64(zlib.crc32(data).to_bytes(4, "big"))


def delete_objects(side: Side):
    names = ("a b", "c+d", "é")
    document = "<Delete>" + "".join(f"<Object><Key>{side.prefix}{name}</Key></Object>" for name in (*names, "none")) + "</Delete>"
    body = document.encode()
    for headers in ({"Content-MD5": b64(hashlib.md5(body).digest())}, {"x-amz-checksum-crc32": crc32(body), "x-amz-sdk-checksum-algorithm": "CRC32"}):
        for name in names:
            side.object("PUT", name, body=b"x")
        side.on_bucket("POST", "delete=", headers, body)
        side.on_bucket("GET", f"prefix={quote(side.prefix, safe='')}")


# Of `BYTES`; the two that the standard library does not have are written out.
CHECKSUMS = {"crc32": crc32(BYTES), "crc32c": "KAwGng==", "crc64nvme": "Ffmx7kz9nB0=",
             "sha1": b64(hashlib.sha1(BYTES).digest()), "sha256": b64(hashlib.sha256(BYTES).digest())}


def checksums(*algorithms: str) -> Case:
    """Said with the upload, kept, and said with the object; a wrong one is refused."""

    def play(side: Side):
        for name in algorithms:
            said = {f"x-amz-checksum-{name}": CHECKSUMS[name], "x-amz-sdk-checksum-algorithm": name.upper()}
            side.object("PUT", name, headers=said, body=BYTES)
            side.object("GET", name, headers={"x-amz-checksum-mode": "ENABLED"})
            side.object("HEAD", name, headers={"x-amz-checksum-mode": "ENABLED"})
            side.object("PUT", name, headers=said, body=b"9876543210")

    return play


def trailers(side: Side):
    """The checksum behind the body, in the framing that SDKs use over https."""
    for checksum in (crc32(BYTES), crc32(b"other")):
        framed = b"a\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % (BYTES, checksum.encode())
        side.object("PUT", "k", headers={"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length": str(len(BYTES)),
                                         "x-amz-trailer": "x-amz-checksum-crc32", "Content-Encoding": "aws-chunked"}, body=framed)
    side.object("GET", "k", headers={"x-amz-checksum-mode": "ENABLED"})


# Less than a chunk of Palisade's, one, and several that end elsewhere than those of the client.
UPLOADS = (0, 1, 65_536, 150_000)


def upload(mode: Mode, keeps_checksums: bool) -> Case:
    """Bodies in a payload mode, each with a checksum before or behind it. What is stored is what was meant."""

    def play(side: Side):
        for size in UPLOADS:
            said = mode.headers(size) | ({} if mode.has_trailer else {TRAILER: checksum(size)})
            side.object("PUT", "k", headers=said, sealed=lambda chain: b"".join(mode.body(size, chain)))
            got = side.object("GET", "k", headers={"x-amz-checksum-mode": "ENABLED"})
            assert got.body == b"".join(blocks(size)), f"{size} bytes were sent, and {len(got.body)} are stored"
            assert not keeps_checksums or got.header(TRAILER) == checksum(size)

    return play


def upload_of_no_length(mode: Mode) -> Case:
    return lambda side: side.object("PUT", "k", headers=mode.headers(1), sealed=lambda chain: b"".join(mode.body(1, chain)))


def metadata(side: Side):
    """Blanks inside values, values that are there twice, and what is no ASCII."""
    side.object("PUT", "k", headers=[("x-amz-meta-a", "  two   words\t and a tab "), ("x-amz-meta-b", "=?UTF-8?B?w6k=?="), ("x-amz-meta-empty", ""),
                                     ("Content-Disposition", 'attachment; filename="a  b"'), ("Content-Language", "de"), ("Expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
                                     ("x-amz-storage-class", "STANDARD"), ("Content-Type", 'text/plain;  charset="utf-8"')], body=BYTES)
    side.object("HEAD", "k")
    side.object("GET", "k")


def repeated_metadata(side: Side):
    side.object("PUT", "k", headers=[("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")], body=BYTES)
    side.object("HEAD", "k")


def headers_as_they_are(side: Side):
    """Upper case, raw UTF-8, and headers that stay with the object."""
    side.object("PUT", "k", headers={"X-Amz-Meta-Upper": "Ab", "CONTENT-TYPE": "x/Y", "x-amz-meta-raw": "é", "x-amz-server-side-encryption": "AES256",
                                     "x-amz-website-redirect-location": "/other", "x-amz-tagging": "a=b&c=d%20e"}, body=BYTES)
    side.object("GET", "k")


def odd_targets(side: Side):
    """No slash behind the bucket, and a query that is there and empty."""
    side.object("PUT", "k", body=BYTES)
    side.send("GET", f"/{side.bucket}?list-type=2")
    side.send("GET", "/")
    side.object("GET", "k", spelt="/k?")
    side.object("GET", "k", spelt="/k?&&")


def of_a_client(side: Side):
    """What SDKs send besides, of which Palisade has nothing to say."""
    headers = {"User-Agent": "aws-sdk/1 ua/2.1 md/x#y", "Accept": "*/*", "Accept-Encoding": "identity", "amz-sdk-invocation-id": "3f7e",
               "amz-sdk-request": "attempt=1; max=3", "X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793", "Expect": "100-continue",
               "x-amz-user-agent": "aws-sdk-js/3", "x-amz-expected-bucket-owner": "111122223333", "x-amz-request-payer": "requester", "Referer": "https://a.test/?b"}
    side.object("PUT", "k", "x-id=PutObject", headers, BYTES)
    side.object("GET", "k", "x-id=GetObject", {k: v for k, v in headers.items() if k != "Expect"})


def empty(side: Side):
    side.object("PUT", "k")
    side.object("GET", "k")
    side.object("HEAD", "k")
    side.object("GET", "k", headers={"Range": "bytes=0-0"})


def compressed(side: Side):
    """Neither unpacked nor packed on the way, whatever is accepted."""
    side.object("PUT", "k", headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"}, body=gzip.compress(BYTES, mtime=0))
    for accepted in ({"Accept-Encoding": "gzip"}, {"Accept-Encoding": "identity"}, {}):
        side.object("GET", "k", headers=accepted)


def payload_modes(side: Side):
    side.object("PUT", "k", headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, body=BYTES)
    side.object("GET", "k", headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})


def absent_key(side: Side):
    for method in ("GET", "HEAD", "DELETE"):
        side.object(method, "none")
    side.object("PUT", "copy", headers={"x-amz-copy-source": f"{side.bucket}/none"})


def absent_bucket(side: Side):
    for method, path in (("GET", "/absent-bucket/k"), ("HEAD", "/absent-bucket"), ("GET", "/absent-bucket?list-type=2"), ("DELETE", "/absent-bucket")):
        side.send(method, path)


def in_the_query(side: Side):
    """The Query protocol by GET, whose signatures moto gets wrong."""
    topic = re.search("<TopicArn>([^<]+)", side.query("sns", "CreateTopic", "2010-03-31", Name="by-get"))[1]
    said = quote("a=b&c d+é", safe="~")
    side.send("GET", f"/?Action=Publish&Message={said}&TopicArn={quote(topic, safe='~')}&Version=2010-03-31", service="sns")
    side.send("GET", "/?Action=GetTopicAttributes&TopicArn=absent&Version=2010-03-31", service="sns")
    side.query("sns", "DeleteTopic", "2010-03-31", TopicArn=topic)


BROKEN = b"<Delete><Object>"
OVERRIDES = ("response-cache-control=no-cache&response-content-disposition=attachment%3B%20filename%3D%22a%20b%22"
             "&response-content-type=text%2Fcsv%3B%20charset%3Dx")


def denied_entries(side: Side):
    """S3 denies one key of many inside an answer of 200, which Palisade does not hold back."""
    names = (f"{side.prefix}a", "globex/a")
    body = f"<Delete>{''.join(f'<Object><Key>{name}</Key></Object>' for name in names)}</Delete>".encode()
    side.on_bucket("POST", "delete=", {"Content-MD5": b64(hashlib.md5(body).digest())}, body)


# Name: what is played, what the backends answer.
BOTH: dict[str, tuple[Case, str]] = {
    "ranges": (on_object(*(("GET", "", {"Range": f"bytes={r}"}) for r in ("0-3", "-3", "2-", "9-100", "10-"))), "200 206 206 206 206 416"),
    "conditions that hold": (on_object(("GET", "", {"If-Match": ETAG}), ("GET", "", {"If-None-Match": '"0"'})), "200 200 200"),
    "conditions that do not": (on_object(*((method, "", unmet) for unmet in ({"If-None-Match": ETAG}, {"If-Match": '"0"'}) for method in ("GET", "HEAD"))),
                               "200 304 304 412 412"),
    "a write that must be the first": (on_object(("PUT", "", {"If-None-Match": "*"}, b"x"), ("GET",)), "200 412 200"),
    "lists": (listings, "200 " * 10 + "200"),
    "lists, spelt otherwise": (spelt_listings, "200 " * 11 + "200"),
    "pages": (pages, "200 200 200 200"),
    "copies": (copies, "200 200 200 200 200"),
    "multipart": (multipart, "200 200 200 200 200 206 200 200 204 404"),
    "many at once deleted": (delete_objects, " ".join(["200"] * 10)),
    "metadata": (metadata, "200 200 200"),
    "what clients send": (of_a_client, "200 200"),
    "no bytes": (empty, "200 200 200 416"),
    "compressed": (compressed, "200 200 200 200"),
    "payload modes": (payload_modes, "200 200"),
    "overrides": (on_object(("GET", OVERRIDES), ("HEAD", OVERRIDES)), "200 200 200"),
    "checksums": (checksums("crc32", "crc32c", "sha1", "sha256"), " ".join(["200 200 200 400"] * 4)),
    "checksums behind the body": (trailers, "200 400 200"),
}
SANDBOX: dict[str, tuple[Case, str]] = {
    "denials inside an answer": (denied_entries, "200"),
    # There is no body that could be read or could tell anything.
    "a denied head": (lambda s: s.send("HEAD", f"/{s.bucket}/globex/welcome.txt"), "403"),
}
MINISTACK: dict[str, tuple[Case, str]] = {
    "subresources": (on_bucket(*(("GET", q) for q in ("acl", "acl=", "tagging", "versioning", "location", "uploads", "policy", "cors", "versions")), ("HEAD",)),
                     "200 200 200 200 200 404 200 200 200 404 404 200 200"),
    "tags": (on_object(("PUT", "tagging", {}, TAGS), ("GET", "tagging"), ("GET", "tagging="), ("DELETE", "tagging"), ("GET", "acl")),
             "200 200 200 200 204 200"),
    "versions": (on_bucket(("PUT", "versioning", {}, VERSIONING), ("GET", "versioning=")), "200 200 200 200 200"),
    "repeated parameters": (on_bucket(("GET", "list-type=2&prefix=a&prefix=k"), ("GET", "prefix=k&list-type=2&prefix=a"), ("GET", "delimiter&list-type=2&prefix=")),
                            "200 200 200 200 200 200"),
    "odd targets": (odd_targets, "200 200 200 200 200"),
    "dates as conditions": (on_object(("GET", "", {"If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"}),
                                      ("GET", "", {"If-Unmodified-Since": "Thu, 01 Jan 2009 00:00:00 GMT"}),
                                      ("GET", "", {"If-Range": '"0"', "Range": "bytes=0-1"})), "200 304 412 206"),
    "names and values of headers": (headers_as_they_are, "200 200"),
    "attributes": (on_object(("GET", "attributes=", {"x-amz-object-attributes": "ETag,ObjectSize"}), ("POST", "select&select-type=2", {}, b"<x/>")), "200 200 405"),
    "a wrong MD5": (on_object(("PUT", "", {"Content-MD5": b64(bytes(16))}, b"x")), "200 400"),
    "several ranges": (on_object(("GET", "", {"Range": "bytes=0-1,4-5"})), "200 206"),
    "no such key": (absent_key, "404 404 204 404"),
    "parts": (parts, "200 200 200 200 204 404"),
    "metadata twice": (repeated_metadata, "200 200"),
    "checksums of 64 bits": (checksums("crc64nvme"), "200 200 200 400"),
    "no such bucket": (absent_bucket, "404 404 404 404"),
    "a bucket that is not empty": (on_bucket(("DELETE",)), "200 200 200 409"),
    "malformed documents": (on_bucket(("POST", "delete", {"Content-MD5": b64(hashlib.md5(BROKEN).digest())}, BROKEN)), "200 200 200 400"),
    "SNS, by GET": (in_the_query, "200 200 404 200"),
    "malformed tags": (on_object(("PUT", "tagging", {}, b"<Tagging")), "200 400"),
    "no such upload": (on_object(("GET", "uploadId=none"), ("PUT", "partNumber=1&uploadId=none", {}, b"x")), "200 404 404"),
}


def dynamodb(side: Side):
    def call(operation: str, **parameters):
        return side.json("dynamodb", f"DynamoDB_20120810.{operation}", parameters)

    key = {"pk": {"S": "ü😀"}}
    item = key | {"n": {"N": "1.50"}, "b": {"B": "AAECAw=="}, "m": {"M": {"a b": {"L": [{"BOOL": True}, {"NULL": True}]}}}}
    call("CreateTable", TableName="things", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
         AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}])
    call("PutItem", TableName="things", Item=item, ReturnConsumedCapacity="TOTAL")
    call("GetItem", TableName="things", Key=key)
    call("UpdateItem", TableName="things", Key=key, UpdateExpression="SET #a = :v", ExpressionAttributeNames={"#a": "a"},
         ExpressionAttributeValues={":v": {"N": "1"}}, ReturnValues="ALL_NEW")
    call("Query", TableName="things", KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": key["pk"]})
    call("Scan", TableName="things", FilterExpression="n > :n", ExpressionAttributeValues={":n": {"N": "1"}})
    call("BatchGetItem", RequestItems={"things": {"Keys": [key]}})
    # ConditionalCheckFailedException, ResourceNotFoundException, ValidationException twice.
    call("PutItem", TableName="things", Item=item, ConditionExpression="attribute_not_exists(pk)")
    call("GetItem", TableName="nothing", Key=key)
    call("GetItem", TableName="things", Key={"other": {"S": "x"}})
    call("PutItem", TableName="things", Item={"pk": {"N": "1"}})
    call("DeleteItem", TableName="things", Key=key, ReturnValues="ALL_OLD")
    call("DeleteTable", TableName="things")


def sqs(side: Side):
    def call(operation: str, **parameters):
        return side.json("sqs", f"AmazonSQS.{operation}", parameters)

    url = call("CreateQueue", QueueName="mirror")["QueueUrl"]
    call("SendMessage", QueueUrl=url, MessageBody="ü & < > \u2028", MessageAttributes={"a": {"DataType": "String", "StringValue": "é"}})
    (message,) = call("ReceiveMessage", QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    call("DeleteMessage", QueueUrl=url, ReceiptHandle=side.made_up("receipt", message["ReceiptHandle"]))
    # QueueDoesNotExist, which is an `x-amzn-query-error` as well.
    call("GetQueueUrl", QueueName="absent")
    call("SendMessage", QueueUrl=f"{url}-absent", MessageBody="m")
    call("DeleteQueue", QueueUrl=url)


def sqs_query(side: Side):
    def call(action: str, **parameters: str):
        return side.query("sqs", action, "2012-11-05", **parameters)

    url = re.search("<QueueUrl>([^<]+)", call("CreateQueue", QueueName="mirror-query"))[1]
    call("SendMessage", QueueUrl=url, MessageBody="a=b&c d+é")
    call("ReceiveMessage", QueueUrl=url)
    call("GetQueueUrl", QueueName="absent")
    call("DeleteQueue", QueueUrl=url)


def sns(side: Side):
    def call(action: str, **parameters: str):
        return side.query("sns", action, "2010-03-31", **parameters)

    topic = re.search("<TopicArn>([^<]+)", call("CreateTopic", Name="mirror"))[1]
    call("Publish", TopicArn=topic, Message="a=b&c d+é <x>")
    call("GetTopicAttributes", TopicArn=topic)
    # NotFound, twice.
    call("Publish", TopicArn=f"{topic}-absent", Message="x")
    call("GetTopicAttributes", TopicArn=f"{topic}-absent")
    call("DeleteTopic", TopicArn=topic)


def kms(side: Side):
    def call(operation: str, **parameters):
        return side.json("kms", f"TrentService.{operation}", parameters, "1.1")

    key = side.made_up("key", call("CreateKey")["KeyMetadata"]["KeyId"])
    sealed = side.made_up("sealed", call("Encrypt", KeyId=key, Plaintext="AHNlY3JldA==")["CiphertextBlob"])
    call("Decrypt", CiphertextBlob=sealed)
    side.made_up("data key", call("GenerateDataKey", KeyId=key, KeySpec="AES_256")["Plaintext"])
    call("DescribeKey", KeyId="absent")
    call("Encrypt", KeyId="alias/absent", Plaintext="AA==")


def secretsmanager(side: Side):
    def call(operation: str, **parameters):
        return side.json("secretsmanager", f"secretsmanager.{operation}", parameters, "1.1")

    made = call("CreateSecret", Name="a/b", SecretString='ü"\\', ClientRequestToken="0123456789abcdef0123456789abcdef")
    side.made_up("arn", made["ARN"])
    call("GetSecretValue", SecretId="a/b")
    call("DescribeSecret", SecretId="a/b")
    call("GetSecretValue", SecretId="absent")
    call("DeleteSecret", SecretId="a/b", ForceDeleteWithoutRecovery=True)


GLOBEX_ITEM = {"TableName": "demo", "Key": {"pk": {"S": "globex#1"}}}
# Name: where to, what is sent, what the backend answers to that and calls it, and the status, code and reason that Palisade gives instead.
REPLACED: dict[str, tuple] = {
    "another tenant's object": ("sandbox_mirror", lambda s: s.send("GET", f"/{s.bucket}/globex/welcome.txt"), 403, "AccessDenied", 403, "AccessDenied", "aws-denied"),
    "every tenant's objects": ("sandbox_mirror", lambda s: s.on_bucket("GET", "list-type=2"), 403, "AccessDenied", 403, "AccessDenied", "aws-denied"),
    "another tenant's item": ("sandbox_mirror", lambda s: s.json("dynamodb", "DynamoDB_20120810.GetItem", GLOBEX_ITEM),
                              400, "AccessDeniedException", 403, "AccessDeniedException", "aws-denied"),
    "another region's place": ("ministack_mirror", lambda s: s.send("PUT", "/elsewhere"),
                               400, "IllegalLocationConstraintException", 403, "AccessDenied", "aws-redirect"),
}

SERVICES: dict[str, tuple[Case, str]] = {
    "DynamoDB": (dynamodb, "200 200 200 200 200 200 200 400 400 400 400 200 200"),
    "SQS, JSON": (sqs, "200 200 200 200 400 400 200"),
    "SQS, Query": (sqs_query, "200 200 200 400 200"),
    "SNS": (sns, "200 200 200 404 404 200"),
    "KMS": (kms, "200 200 200 200 400 400"),
    "Secrets Manager": (secretsmanager, "200 200 200 404 200"),
}
