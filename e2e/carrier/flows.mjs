// What customers and schedules do, so that every kind of request to the carrier is sent. The numbers' last digits make
// the sandbox carrier misbehave, as its documentation says.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

import { httpEvent } from "../lambda.mjs";

// A row in doubt is looked at after a minute, by a reconciler that runs every ten seconds.
const SETTLED_WITHIN = 120_000;

/** Runs everything at once where it does not depend on each other. */
export async function drive({ api, carrier, referee, numbers, reconciler }) {
  const flows = [
    searches(api),
    asked(api, referee),
    bought(api, "0100").then((row) => released(api, row)),
    refused(api, "0402", 503, "CARRIER_UNAVAILABLE"),
    refused(api, "0404", 409, "PHONE_NUMBER_UNAVAILABLE"),
    refused(api, "0409", 409, "PHONE_NUMBER_UNAVAILABLE"),
    refused(api, "0410", 409, "PHONE_NUMBER_UNAVAILABLE"),
    refused(api, "0429", 503, "CARRIER_UNAVAILABLE"),
    refused(api, "0503", 503, "CARRIER_UNAVAILABLE"),
    inDoubt(api, "0202"),
    inDoubt(api, "0505"),
    inDoubt(api, "0500").then((row) => settled(api, row)),
    inDoubt(api, "0504").then((row) => settled(api, row)),
    releasedAtTheSecondTime(api),
    boughtForConnection(api, numbers),
    gone(api, carrier, reconciler),
  ];
  const outcomes = await Promise.allSettled(flows);
  return outcomes.filter(({ status }) => status === "rejected").map(({ reason }) => reason.message);
}

/**
 * Asks the carrier itself where the service meets only one kind of answer within the time there is, so that the other
 * kind is looked at too, and for what the sandbox offers and nobody asks for yet.
 */
async function asked(api, referee) {
  const row = await bought(api, "0103");
  for (const [path, expected] of [
    [`/number_orders?filter[customer_reference]=${row.id}`, 200],
    ["/number_orders/unheard_of", 404],
    [`/phone_numbers/${row.providerResourceId}`, 200],
    ["/phone_numbers/1", 404],
    ["/balance", 200],
  ]) {
    const response = await fetch(`${referee}${path}`, { headers: { authorization: "Bearer sandbox" } });
    assert.equal(response.status, expected, `asking for ${path}`);
  }
  // Without the right key.
  const response = await fetch(`${referee}/phone_numbers`, { headers: { authorization: "Bearer wrong" } });
  assert.equal(response.status, 401, "asking with a wrong key");
}

async function searches(api) {
  for (const [query, some] of [
    ["limit=2", true],
    ["areaCode=415", true],
    ["locality=Boston", true],
    ["areaCode=617&locality=Boston", true],
    ["areaCode=800", false],
  ]) {
    const { status, body } = await api.call("GET", `/available?${query}`);
    assert.equal(status, 200, `search ${query}`);
    assert.equal(body.length > 0, some, `search ${query}`);
  }
}

async function bought(api, digits) {
  const { status, body } = await api.buy(digits);
  assert.equal(status, 200, `buying ${digits}`);
  assert.ok(body.providerResourceId, `${digits} has no id at the carrier`);
  return body;
}

async function refused(api, digits, expected, code) {
  const { status, body } = await api.buy(digits);
  assert.deepEqual([status, body.code], [expected, code], `buying ${digits}`);
}

async function inDoubt(api, digits) {
  const { status, body } = await api.buy(digits);
  assert.equal(status, 200, `buying ${digits}`);
  assert.equal(body.setupStatus.status, "action_required", `buying ${digits}`);
  assert.equal(body.providerResourceId, null, `buying ${digits}`);
  return body;
}

async function settled(api, row) {
  const deadline = Date.now() + SETTLED_WITHIN;
  for (;;) {
    const { body } = await api.call("GET", `/${row.id}`);
    if (body.providerResourceId) return;
    assert.ok(Date.now() < deadline, `the order of ${row.e164} was not settled`);
    await pause(1_000);
  }
}

async function released(api, row) {
  const { status, body } = await api.call("DELETE", `/${row.id}`);
  assert.deepEqual([status, body], [200, { released: true }], `releasing ${row.e164}`);
}

async function releasedAtTheSecondTime(api) {
  const row = await bought(api, "0523");
  const { status } = await api.call("DELETE", `/${row.id}`);
  assert.equal(status, 503, "releasing 0523 for the first time");
  await released(api, row);
}

/** Through the deployed function, because only its secret names a connection. */
async function boughtForConnection(api, numbers) {
  const event = httpEvent("POST", "/v1/phone-numbers", api.key, { e164: "+14155550102" });
  const { statusCode, body } = await numbers.invoke(event);
  assert.equal(statusCode, 200, `buying for a connection: ${body}`);
  assert.ok(JSON.parse(body).providerResourceId, "buying for a connection");
}

/** A number that vanishes at the carrier is noticed by a sweep, and can be released. */
async function gone(api, carrier, reconciler) {
  const row = await bought(api, "0101");
  const url = `${carrier}/phone_numbers/${row.providerResourceId}`;
  const response = await fetch(url, { method: "DELETE", headers: { authorization: "Bearer sandbox" } });
  assert.equal(response.status, 200, "releasing behind the service's back");
  await reconciler.invoke({ task: "sweep" });
  await released(api, row);
}
