// GET and PATCH of one number and the list of numbers, as a Node.js function does them: the same calls to the table and the
// same answers as functions/numbers. What the measurement does not ask for is left out: filters, cursors, agents, credits
// that run low.

import { createHash, randomBytes } from "node:crypto";
import http from "node:http";
import { crc32 } from "node:zlib";
import {
  BatchGetItemCommand, DynamoDBClient, GetItemCommand, QueryCommand, TransactWriteItemsCommand, UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { row } from "./row.mjs";

const { AWS_LAMBDA_RUNTIME_API: RUNTIME, TABLE_NAME: TableName } = process.env;
const MINUTE = 60_000;
const DAY_SECONDS = 86_400;
const CHANGES_PER_MINUTE = 300;

const client = new DynamoDBClient({});
const grants = new Map();

const text = (value) => ({ S: value });
const number = (value) => ({ N: String(value) });
const key = (PK, SK) => ({ PK: text(PK), SK: text(SK) });
const plain = (item) => Object.fromEntries(Object.entries(item ?? {}).map(([name, value]) => [name, Object.values(value)[0]]));
const problem = (status, code) => Object.assign(new Error(code), { status });

/** Whom the key belongs to. A key that was looked up is remembered for a minute. */
async function authorize(event, scope) {
  const token = event.headers.authorization?.replace(/^bearer /i, "") ?? "";
  const [, body, checksum] = /^sk_live_([0-9a-f]{64})([0-9a-f]{8})$/.exec(token) ?? [];
  if (!body || crc32(body) !== parseInt(checksum, 16)) throw problem(401, "UNAUTHORIZED");
  const hash = createHash("sha256").update(token).digest("hex");
  let known = grants.get(hash);
  if (!known || Date.now() - known.at >= MINUTE) {
    known = { at: Date.now(), grant: await lookUp(hash) };
    grants.set(hash, known);
  }
  const { grant } = known;
  if (!grant.id || grant.revokedAt || (grant.validUntil && Date.parse(grant.validUntil) <= Date.now())) {
    throw problem(401, "UNAUTHORIZED");
  }
  if (!grant.scopes.some((allowed) => allowed.S === scope)) throw problem(403, "SCOPE_REQUIRED");
  return grant;
}

async function lookUp(hash) {
  const found = await client.send(new GetItemCommand({ TableName, Key: key(`KEY#${hash}`, "KEY"), ConsistentRead: true }));
  const grant = plain(found.Item);
  // The key's use is written down once an hour.
  const [now, hourAgo] = [Date.now(), Date.now() - 60 * MINUTE].map((at) => text(new Date(at).toISOString()));
  await client.send(new UpdateItemCommand({
    TableName, Key: key(`USE#${grant.id}`, "USE"), UpdateExpression: "SET usedAt = :now",
    ConditionExpression: "attribute_not_exists(usedAt) OR usedAt <= :hourAgo",
    ExpressionAttributeValues: { ":now": now, ":hourAgo": hourAgo },
  })).catch(() => {});
  return grant;
}

/** Items of the organization, by their sort keys, in one request. */
async function batch(organization, sorts) {
  const Keys = sorts.map((sort) => key(`ORG#${organization}`, sort));
  const found = await client.send(new BatchGetItemCommand({ RequestItems: { [TableName]: { Keys, ConsistentRead: true } } }));
  return sorts.map((sort) => found.Responses[TableName].find((item) => item.SK.S === sort));
}

async function get({ organizationId }, id) {
  const [item, organization] = await batch(organizationId, [`NUMBER#${id}`, "ORG", "CREDITS"]);
  if (!item) throw problem(404, "NOT_FOUND");
  return answer(row(plain(item), plain(organization)), item.version.N);
}

async function list({ organizationId }, limit) {
  const query = new QueryCommand({
    TableName, KeyConditionExpression: "PK = :pk AND begins_with(SK, :prefix)",
    ExpressionAttributeValues: { ":pk": text(`ORG#${organizationId}`), ":prefix": text("NUMBER#") },
    ConsistentRead: true, ScanIndexForward: false, Limit: limit + 1,
  });
  const [found, [organization]] = await Promise.all([client.send(query), batch(organizationId, ["ORG", "CREDITS"])]);
  const owner = plain(organization);
  return answer(found.Items.slice(0, limit).map((item) => row(plain(item), owner)));
}

async function patch({ organizationId, id: actor }, id, { label, direction }) {
  const [[old, organization]] = await Promise.all([
    batch(organizationId, [`NUMBER#${id}`, "ORG", "CREDITS"]), count(organizationId),
  ]);
  if (!old) throw problem(404, "NOT_FOUND");
  if (label !== undefined && (typeof label !== "string" || label.length > 120)) throw problem(400, "VALIDATION_ERROR");
  if (direction !== undefined && !["inbound", "outbound", "both"].includes(direction)) throw problem(400, "VALIDATION_ERROR");
  const wanted = Object.entries({ label, direction }).filter(([, value]) => value !== undefined);
  const changed = wanted.filter(([name, value]) => old[name]?.S !== value).map(([name]) => name);
  if (changed.length === 0) return answer(row(plain(old), plain(organization)), old.version.N);
  const at = new Date().toISOString();
  const item = { ...old, ...Object.fromEntries(wanted.map(([name, value]) => [name, text(value)])), updatedAt: text(at) };
  item.version = number(Number(old.version.N) + 1);
  item.sequence = number(Number(old.sequence.N) + 1);
  await client.send(new TransactWriteItemsCommand({ TransactItems: writes(item, old, organizationId, actor, changed, at) }));
  return answer(row(plain(item), plain(organization)), item.version.N);
}

/** The row over the version that was read, its audit event, and its customer event. */
function writes(item, old, organization, actor, changed, at) {
  const [seconds, event, fields] = [Math.floor(Date.now() / 1000), `evt_${ulid()}`, { L: changed.map(text) }];
  const link = { M: { id: text(event), type: text("phone_number.updated"), sequence: item.sequence } };
  const audit = {
    ...key(`EVENT#${organization}`, `${item.id.S}#${at}#${randomBytes(8).toString("hex")}`), at: text(at),
    actorKind: text("api_key"), actorId: text(actor), action: text("updated"), changed: fields,
    customerEvents: { L: [link] }, expiresAt: number(seconds + 400 * DAY_SECONDS),
  };
  const { e164, source, direction, agentId, label, sequence, id: subject } = item;
  const feed = {
    ...key(`FEED#${organization}`, event), eventType: text("phone_number.updated"), sequence, subject, e164, source,
    direction, ...(agentId && { agentId }), ...(label && { label }), changed: fields,
    expiresAt: number(seconds + 30 * DAY_SECONDS),
  };
  const absent = "attribute_not_exists(PK)";
  return [
    { Put: { TableName, Item: item, ConditionExpression: "version = :old", ExpressionAttributeValues: { ":old": old.version } } },
    { Put: { TableName, Item: audit, ConditionExpression: absent } },
    { Put: { TableName, Item: feed, ConditionExpression: absent } },
  ];
}

async function count(organization) {
  const minute = Math.floor(Date.now() / MINUTE) * MINUTE;
  await client.send(new UpdateItemCommand({
    TableName, Key: key(`RATE#${organization}`, `CHANGES#${new Date(minute).toISOString()}`),
    UpdateExpression: "ADD calls :one SET expiresAt = :expiresAt",
    ConditionExpression: "attribute_not_exists(calls) OR calls < :most",
    ExpressionAttributeValues: {
      ":one": number(1), ":most": number(CHANGES_PER_MINUTE), ":expiresAt": number((minute + 2 * MINUTE) / 1000),
    },
  }));
}

/** The time and 80 random bits, in 26 letters that sort by time. */
function ulid() {
  const letters = "0123456789abcdefghjkmnpqrstvwxyz";
  let [bits, out] = [(BigInt(Date.now()) << 80n) | BigInt(`0x${randomBytes(10).toString("hex")}`), ""];
  for (let at = 0; at < 26; at++, bits >>= 5n) out = letters[Number(bits & 31n)] + out;
  return out;
}

function answer(body, version) {
  const headers = { "content-type": "application/json", ...(version && { etag: `"${version}"` }) };
  return { statusCode: 200, headers, body: JSON.stringify(body), isBase64Encoded: false };
}

async function handle(event) {
  try {
    const [method, id] = [event.requestContext.http.method, event.pathParameters?.id];
    const caller = await authorize(event, method === "GET" ? "read" : "write");
    if (method === "PATCH") return await patch(caller, id, JSON.parse(event.body));
    return await (id ? get(caller, id) : list(caller, Number(event.queryStringParameters?.limit ?? 100)));
  } catch (error) {
    const body = JSON.stringify({ error: error.message, code: error.status ? error.message : "INTERNAL", retryable: false });
    return { statusCode: error.status ?? 500, headers: { "content-type": "application/json" }, body };
  }
}

const agent = new http.Agent({ keepAlive: true });

/** One call to the Runtime API. */
function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(`http://${RUNTIME}/2018-06-01/runtime/invocation/${path}`, { method, agent }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ id: response.headers["lambda-runtime-aws-request-id"], body: Buffer.concat(chunks) }));
    });
    request.on("error", reject).end(body);
  });
}

for (;;) {
  const { id, body } = await call("GET", "next");
  await call("POST", `${id}/response`, JSON.stringify(await handle(JSON.parse(body))));
}
