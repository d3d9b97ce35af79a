"""GET and PATCH of one number and the list of numbers, as a Python function does them: the same calls to the table and the
same answers as functions/numbers. What the measurement does not ask for is left out: filters, cursors, agents, credits that
run low."""

import datetime
import hashlib
import http.client
import json
import os
import re
import secrets
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import boto3
from row import row

TABLE = os.environ["TABLE_NAME"]
MINUTE = 60
DAY = 86_400
CHANGES_PER_MINUTE = 300
KEY = re.compile(r"sk_live_([0-9a-f]{64})([0-9a-f]{8})")

client = boto3.client("dynamodb")
# Where a route has two calls that do not wait for each other, one of them runs here.
beside = ThreadPoolExecutor(max_workers=1)
grants = {}


class Problem(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status = status


def text(value):
    return {"S": value}


def number(value):
    return {"N": str(value)}


def key(partition, sort):
    return {"PK": text(partition), "SK": text(sort)}


def plain(item):
    return {name: next(iter(value.values())) for name, value in (item or {}).items()}


def iso(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def authorize(event, scope):
    """Whom the key belongs to. A key that was looked up is remembered for a minute."""
    token = event["headers"].get("authorization", "").partition(" ")[2].strip()
    form = KEY.fullmatch(token)
    if not form or zlib.crc32(form[1].encode()) != int(form[2], 16):
        raise Problem(401, "UNAUTHORIZED")
    digest = hashlib.sha256(token.encode()).hexdigest()
    at, grant = grants.get(digest, (0, None))
    if time.time() - at >= MINUTE:
        grant = look_up(digest)
        grants[digest] = time.time(), grant
    now = iso(time.time())
    if "id" not in grant or "revokedAt" in grant or grant.get("validUntil", now + "~") <= now:
        raise Problem(401, "UNAUTHORIZED")
    if text(scope) not in grant["scopes"]:
        raise Problem(403, "SCOPE_REQUIRED")
    return grant


def look_up(digest):
    found = client.get_item(TableName=TABLE, Key=key(f"KEY#{digest}", "KEY"), ConsistentRead=True)
    grant, now = plain(found.get("Item")), time.time()
    try:
        # The key's use is written down once an hour.
        client.update_item(
            TableName=TABLE, Key=key(f"USE#{grant.get('id')}", "USE"), UpdateExpression="SET usedAt = :now",
            ConditionExpression="attribute_not_exists(usedAt) OR usedAt <= :hourAgo",
            ExpressionAttributeValues={":now": text(iso(now)), ":hourAgo": text(iso(now - 60 * MINUTE))},
        )
    except client.exceptions.ConditionalCheckFailedException:
        pass
    return grant


def batch(organization, sorts):
    """Items of the organization, by their sort keys, in one request."""
    keys = [key(f"ORG#{organization}", sort) for sort in sorts]
    found = client.batch_get_item(RequestItems={TABLE: {"Keys": keys, "ConsistentRead": True}})
    items = {item["SK"]["S"]: item for item in found["Responses"][TABLE]}
    return [items.get(sort) for sort in sorts]


def get(caller, number_id):
    item, organization, _ = batch(caller["organizationId"], [f"NUMBER#{number_id}", "ORG", "CREDITS"])
    if item is None:
        raise Problem(404, "NOT_FOUND")
    return answer(row(plain(item), plain(organization)), item["version"]["N"])


def list_all(caller, limit):
    own = beside.submit(batch, caller["organizationId"], ["ORG", "CREDITS"])
    found = client.query(
        TableName=TABLE, KeyConditionExpression="PK = :pk AND begins_with(SK, :prefix)", ConsistentRead=True,
        ExpressionAttributeValues={":pk": text(f"ORG#{caller['organizationId']}"), ":prefix": text("NUMBER#")},
        ScanIndexForward=False, Limit=limit + 1,
    )
    owner = plain(own.result()[0])
    return answer([row(plain(item), owner) for item in found["Items"][:limit]])


def patch(caller, number_id, body):
    organization_id, wanted = caller["organizationId"], {name: body[name] for name in ("label", "direction") if name in body}
    counted = beside.submit(count, organization_id)
    old, organization, _ = batch(organization_id, [f"NUMBER#{number_id}", "ORG", "CREDITS"])
    counted.result()
    if old is None:
        raise Problem(404, "NOT_FOUND")
    if not isinstance(wanted.get("label", ""), str) or len(wanted.get("label", "")) > 120:
        raise Problem(400, "VALIDATION_ERROR")
    if wanted.get("direction", "both") not in ("inbound", "outbound", "both"):
        raise Problem(400, "VALIDATION_ERROR")
    changed = [name for name, value in wanted.items() if old.get(name) != text(value)]
    item = old
    if changed:
        at = iso(time.time())
        item = old | {name: text(value) for name, value in wanted.items()} | {"updatedAt": text(at)}
        item |= {name: number(int(old[name]["N"]) + 1) for name in ("version", "sequence")}
        client.transact_write_items(TransactItems=writes(item, old, caller, changed, at))
    return answer(row(plain(item), plain(organization)), item["version"]["N"])


def writes(item, old, caller, changed, at):
    """The row over the version that was read, its audit event, and its customer event."""
    organization, event, seconds = caller["organizationId"], f"evt_{ulid()}", int(time.time())
    fields, kind = {"L": [text(name) for name in changed]}, text("phone_number.updated")
    link = {"M": {"id": text(event), "type": kind, "sequence": item["sequence"]}}
    audit = key(f"EVENT#{organization}", f"{item['id']['S']}#{at}#{secrets.token_hex(8)}") | {
        "at": text(at), "actorKind": text("api_key"), "actorId": text(caller["id"]), "action": text("updated"),
        "changed": fields, "customerEvents": {"L": [link]}, "expiresAt": number(seconds + 400 * DAY),
    }
    shown = ("sequence", "e164", "source", "direction", "agentId", "label")
    feed = key(f"FEED#{organization}", event) | {name: item[name] for name in shown if name in item} | {
        "eventType": kind, "subject": item["id"], "changed": fields, "expiresAt": number(seconds + 30 * DAY),
    }
    unchanged = {"ConditionExpression": "version = :old", "ExpressionAttributeValues": {":old": old["version"]}}
    absent = {"ConditionExpression": "attribute_not_exists(PK)"}
    puts = [(item, unchanged), (audit, absent), (feed, absent)]
    return [{"Put": {"TableName": TABLE, "Item": put} | condition} for put, condition in puts]


def count(organization):
    minute = int(time.time()) // MINUTE * MINUTE
    values = {":one": number(1), ":most": number(CHANGES_PER_MINUTE), ":expiresAt": number(minute + 2 * MINUTE)}
    client.update_item(
        TableName=TABLE, Key=key(f"RATE#{organization}", f"CHANGES#{iso(minute)}"),
        UpdateExpression="ADD calls :one SET expiresAt = :expiresAt",
        ConditionExpression="attribute_not_exists(calls) OR calls < :most", ExpressionAttributeValues=values,
    )


def ulid():
    """The time and 80 random bits, in 26 letters that sort by time."""
    bits = int(time.time() * 1000) << 80 | secrets.randbits(80)
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[bits >> shift & 31] for shift in range(125, -1, -5))


def answer(body, version=None):
    headers = {"content-type": "application/json"} | ({"etag": f'"{version}"'} if version else {})
    return {"statusCode": 200, "headers": headers, "body": json.dumps(body, separators=(",", ":"))}


def handle(event):
    try:
        method, number_id = event["requestContext"]["http"]["method"], event.get("pathParameters", {}).get("id")
        caller = authorize(event, "read" if method == "GET" else "write")
        if method == "PATCH":
            return patch(caller, number_id, json.loads(event["body"]))
        return get(caller, number_id) if number_id else list_all(caller, int(event["queryStringParameters"]["limit"]))
    except Exception as error:
        code = str(error) if isinstance(error, Problem) else "INTERNAL"
        body = json.dumps({"error": str(error), "code": code, "retryable": False})
        return {"statusCode": getattr(error, "status", 500), "headers": {"content-type": "application/json"}, "body": body}


def main():
    runtime, path = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"]), "/2018-06-01/runtime/invocation"
    while True:
        runtime.request("GET", f"{path}/next")
        response = runtime.getresponse()
        event, request_id = json.loads(response.read()), response.headers["lambda-runtime-aws-request-id"]
        runtime.request("POST", f"{path}/{request_id}/response", json.dumps(handle(event)))
        runtime.getresponse().read()


main()
