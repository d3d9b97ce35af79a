// What customers, staff, schedules and the operator do with a deployment, one thing after the other.

import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";

import { Api, slackSecret } from "../local.mjs";

// A row in doubt is looked at after a minute.
const SETTLED_WITHIN = 120_000;
// How long a message may take through the queue.
const DELIVERED_WITHIN = 60_000;
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

const BUSINESS = "Fresh Start";
const SUBMISSION = {
  declaration: { businessName: BUSINESS, useCase: "Appointment reminders" },
  attestationAccepted: true,
  attestationVersion: "1",
};
const NO_SUBMISSION = '{"organizationId":"org_new"}';

/** The flows, in their order: later ones go on with what earlier ones have left. */
export const FLOWS = [
  ["an order whose answer is lost is in doubt", inDoubt],
  ["search", searched],
  ["buy, and route to an agent", bought],
  ["change the routing", rerouted],
  ["import from a SIP trunk", imported],
  ["list, and read one", listed],
  ["release", released],
  ["every path without a key", unauthorized],
  ["every path with a wrong method", wrongMethods],
  ["unknown paths", unknownPaths],
  ["no purchase before the verification", refused],
  ["submit a verification", submitted],
  ["what cannot be delivered becomes a dead letter", buried],
  ["redrive: staff are told once, poison comes back", redriven],
  ["approve, and buy", approved],
  ["the reconciler settles the order in doubt", settled],
  ["the sweep finds carrier and table alike", swept],
];

/** One walk through a deployment. */
export class Walk {
  /** `description` is the API's; `prices` and `sipHost` are what the deployment was told. */
  constructor({ stack, operator, local, description, prices, sipHost }) {
    const key = (name) => local.organizations.find((organization) => organization.name === name).apiKey;
    Object.assign(this, { stack, operator, local, description, prices, sipHost });
    this.customer = new Api(stack.url, key("verified"));
    this.newcomer = new Api(stack.url, key("new"));
    this.answers = 0;
  }

  /** Goes through the flows and prints how each went; an error at the first wrong answer. */
  async run(flows) {
    const table = [];
    for (const [name, flow] of flows) {
      const began = Date.now();
      const before = this.answers;
      try {
        console.log(`${name}: ${await flow(this)}`);
      } catch (error) {
        throw new Error(`${name}: ${error.message}`);
      }
      table.push([name, this.answers - before, Date.now() - began]);
    }
    console.log(`\n${"flow".padEnd(52)}${"answers".padStart(9)}${"ms".padStart(8)}`);
    for (const [name, answers, ms] of table) {
      console.log(`${name.padEnd(52)}${String(answers).padStart(9)}${String(ms).padStart(8)}`);
    }
  }

  /** Calls the API, and answers the body of the answer, which must have this status and these values in its body. */
  async ask(api, method, path, body, status, values = {}) {
    const answer = await api.call(method, path, body);
    this.answers += 1;
    expect(`${method} /v1/phone-numbers${path}`, answer, status, values);
    return answer.body;
  }
}

function expect(what, answer, status, values = {}) {
  const wrong = Object.entries(values).find(([name, value]) => !isDeepStrictEqual(answer.body?.[name], value));
  if (answer.status === status && !wrong) return;
  const wanted = wrong ? `${status} with ${wrong[0]} ${JSON.stringify(wrong[1])}` : status;
  throw new Error(`${what} should answer ${wanted}, and answered ${answer.status} ${JSON.stringify(answer.body)}`);
}

function agree(what, is, should) {
  if (isDeepStrictEqual(is, should)) return;
  throw new Error(`${what} should be ${JSON.stringify(should)}, and is ${JSON.stringify(is)}`);
}

/** What `look` finds, as soon as it finds something. */
async function eventually(what, within, look) {
  const deadline = Date.now() + within;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`${what} has not happened within ${within / 1000} s`);
    await pause(500);
  }
}

async function inDoubt(walk) {
  const order = { e164: "+14155550500" };
  const row = await walk.ask(walk.customer, "POST", "", order, 200, { ...order, providerResourceId: null });
  agree("the state", row.setupStatus.status, "action_required");
  walk.doubted = row;
  return `${row.e164} is ours to settle`;
}

async function searched(walk) {
  const path = "/available?areaCode=415&limit=3";
  const found = await walk.ask(walk.customer, "GET", path, undefined, 200, { length: 3 });
  const [{ upfrontCostUsd, monthlyCostUsd }] = found;
  agree("the prices", { upfrontCostUsd, monthlyCostUsd }, walk.prices);
  walk.found = found[0].e164;
  return found.map(({ e164 }) => e164).join(" ");
}

async function bought(walk) {
  const order = { e164: walk.found, direction: "both", agentId: "agent_reception" };
  const row = await walk.ask(walk.customer, "POST", "", order, 200, { ...order, source: "managed" });
  agree("the state", row.setupStatus.status, "ready");
  walk.bought = row;
  return `${row.e164} is ${row.id}, the carrier's ${row.providerResourceId}`;
}

async function rerouted(walk) {
  const change = { agentId: "agent_sales", direction: "inbound" };
  const { id } = walk.bought;
  const row = await walk.ask(walk.customer, "PATCH", `/${id}`, change, 200, change);
  return `${row.direction} calls go to ${row.agentId}`;
}

async function imported(walk) {
  const order = { e164: "+12125550142", sipConnectionInstallationId: "sip_disconnected", direction: "inbound" };
  const row = await walk.ask(walk.customer, "POST", "/import", order, 200, { e164: order.e164, source: "sip_trunk" });
  agree("where its calls go", row.setupStatus.forwardingSipUri, `sip:${order.e164}@${walk.sipHost}`);
  walk.imported = row;
  return `${row.e164} is to be forwarded to ${row.setupStatus.forwardingSipUri}`;
}

async function listed(walk) {
  const page = await walk.ask(walk.customer, "GET", "", undefined, 200);
  const rows = Array.isArray(page) ? page : page.items;
  agree("the numbers, newest first", rows.map(({ id }) => id), [walk.imported.id, walk.bought.id, walk.doubted.id]);
  await walk.ask(walk.customer, "GET", `/${walk.bought.id}`, undefined, 200, { agentId: "agent_sales" });
  await walk.ask(walk.newcomer, "GET", `/${walk.bought.id}`, undefined, 404);
  return `${rows.length} numbers; another organization sees none of them`;
}

async function released(walk) {
  for (const { id } of [walk.bought, walk.imported]) {
    await walk.ask(walk.customer, "DELETE", `/${id}`, undefined, 200, { released: true });
    await walk.ask(walk.customer, "GET", `/${id}`, undefined, 404);
  }
  return "a bought and an imported number";
}

/** Each path of the API's description, with its methods. */
function paths(walk) {
  return Object.entries(walk.description.paths).map(([path, operations]) => ({
    path: path.replace(/\{\w+\}/g, walk.bought.id),
    methods: Object.keys(operations).map((name) => name.toUpperCase()).filter((name) => METHODS.includes(name)),
  }));
}

/** Asks for any path of the deployment. */
async function anything(walk, method, path, headers) {
  const response = await fetch(walk.stack.url + path, { method, headers });
  walk.answers += 1;
  const answer = { status: response.status, headers: response.headers, body: await response.json() };
  return [`${method} ${path}`, answer];
}

async function unauthorized(walk) {
  const all = paths(walk);
  for (const { path, methods } of all) {
    for (const method of methods) {
      const [what, answer] = await anything(walk, method, path, {});
      expect(what, answer, 401, { retryable: false });
    }
  }
  return `${all.length} paths answer 401 to each of their methods`;
}

async function wrongMethods(walk) {
  const all = paths(walk);
  for (const { path, methods } of all) {
    for (const method of METHODS.filter((method) => !methods.includes(method))) {
      const [what, answer] = await anything(walk, method, path, { authorization: `Bearer ${walk.customer.key}` });
      expect(what, answer, 405, { code: "METHOD_NOT_ALLOWED" });
      const allowed = (answer.headers.get("allow") ?? "").split(/, */).filter((name) => METHODS.includes(name));
      agree(`what ${path} allows`, allowed.sort(), [...methods].sort());
    }
  }
  return `${all.length} paths answer 405 and name the right ones`;
}

async function unknownPaths(walk) {
  const unknown = ["/", "/v1", "/v2/phone-numbers", "/v1/phone-numbers/kyb/unheard", "/v1/phone-numbers/pn_1/more"];
  for (const path of unknown) {
    for (const method of ["GET", "POST"]) {
      const [what, answer] = await anything(walk, method, path, { authorization: `Bearer ${walk.customer.key}` });
      expect(what, answer, 404, { code: "NOT_FOUND" });
    }
  }
  return `${unknown.length} paths answer our own 404`;
}

async function refused(walk) {
  const order = { e164: "+14155550104" };
  const { code } = await walk.ask(walk.newcomer, "POST", "", order, 403, { code: "PHONE_NUMBER_KYB_REQUIRED" });
  return code;
}

async function submitted(walk) {
  await walk.ask(walk.newcomer, "GET", "/kyb", undefined, 200);
  const filed = { status: "submitted", slackNotificationStatus: "queued" };
  walk.submission = await walk.ask(walk.newcomer, "POST", "/kyb/submit", SUBMISSION, 200, filed);
  await walk.ask(walk.newcomer, "POST", "/kyb/submit", SUBMISSION, 409, { code: "KYB_UNDER_REVIEW" });
  return walk.submission.id;
}

/** What staff have read of the new business. */
async function announcements(walk) {
  const messages = await (await fetch(walk.local.slackMessagesUrl)).json();
  return messages.filter((message) => JSON.stringify(message).includes(BUSINESS));
}

/** Slack's secret still holds what the stack has made up, so Slack refuses the notification. */
async function buried(walk) {
  await walk.operator.notify(NO_SUBMISSION);
  const letters = await eventually("the burial of two messages", DELIVERED_WITHIN, async () => {
    const letters = await walk.operator.deadLetters();
    return letters.length >= 2 && letters;
  });
  const named = letters.map((letter) => JSON.parse(letter).submissionId ?? "none");
  agree("the submissions that dead letters name", named.sort(), [walk.submission.id, "none"].sort());
  agree("what Slack has shown", (await announcements(walk)).length, 0);
  return "a notification that Slack refuses, and one that names no submission";
}

async function redriven(walk) {
  await walk.operator.setSecret("SlackSecretArn", slackSecret());
  await walk.operator.redrive();
  const told = await eventually("the announcement", DELIVERED_WITHIN, async () => {
    const messages = await announcements(walk);
    return messages.length > 0 && messages;
  });
  const letters = await eventually("the burial of the poison", DELIVERED_WITHIN, async () => {
    const letters = await walk.operator.deadLetters();
    return letters.length > 0 && letters;
  });
  agree("the dead letters", letters, [NO_SUBMISSION]);
  agree("the number of announcements", (await announcements(walk)).length, 1);
  return told[0].text;
}

async function approved(walk) {
  await walk.operator.approve("org_new", walk.submission.id);
  await walk.operator.grant("org_new", { like: "org_verified" });
  const order = { e164: "+14155550104" };
  const row = await walk.ask(walk.newcomer, "POST", "", order, 200, order);
  agree("the organization", row.organizationId, "org_new");
  return `${row.e164} is ${row.id}`;
}

async function settled(walk) {
  const event = JSON.parse(await readFile("events/reconciler.json", "utf8"));
  const report = await eventually("the settlement", SETTLED_WITHIN, async () => {
    const report = await walk.stack.invoke("Reconciler", event);
    return report.adopted > 0 && report;
  });
  agree("what the reconciler has adopted", report.adopted, 1);
  const row = await walk.ask(walk.customer, "GET", `/${walk.doubted.id}`, undefined, 200);
  if (!row.providerResourceId) throw new Error(`the order is not settled: ${JSON.stringify(row)}`);
  return `${row.e164} is the carrier's ${row.providerResourceId}`;
}

async function swept(walk) {
  const event = JSON.parse(await readFile("events/reconciler-sweep.json", "utf8"));
  const report = await walk.stack.invoke("Reconciler", event);
  agree("whether the sweep is complete", report.complete, true);
  for (const side of [report.atCarrier, report.inTable]) agree("what differs", [side.matched, side.found], [2, []]);
  return "two numbers on either side";
}
