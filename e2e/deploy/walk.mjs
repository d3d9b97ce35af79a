// What customers, staff, schedules and the operator do with a deployment, one thing after the other.

import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";

// A row in doubt is looked at after a minute, by a schedule that runs every minute.
const SETTLED_WITHIN = 180_000;
// How long a message may take through the queue.
const DELIVERED_WITHIN = 60_000;
// How long a container may remember a key, and some more for the way.
const REVOKED_WITHIN = 70_000;
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

const CREDITS = "100.00";
const AGENTS = ["agent_reception", "agent_sales"];
const CONNECTION = "sip_disconnected";
const ORGANIZATIONS = { harbor: ["org_harbor", "Harbor Dental"], fresh: ["org_fresh", "Fresh Start"] };
const REASON = "The website shows another business.";
const STAFF = "U0ROBIN";
const POISON = JSON.stringify({ organizationId: ORGANIZATIONS.fresh[0] });

/** The flows, in their order: later ones go on with what earlier ones have left. */
export const FLOWS = [
  ["the operator may do what the policy says, and no more", allowed],
  ["the operator lets two organizations in", admitted],
  ["search", searched],
  ["no purchase before the verification", refused],
  ["submit a verification", submitted],
  ["what cannot be delivered becomes a dead letter", buried],
  ["redrive: staff are told once, poison comes back", redriven],
  ["approve in Slack", approved],
  ["an order whose answer is lost is in doubt", inDoubt],
  ["buy, and route to an agent", bought],
  ["change the routing", rerouted],
  ["import from a SIP trunk", imported],
  ["list, and read one", listed],
  ["release", released],
  ["every path without a key", unauthorized],
  ["every path with a wrong method", wrongMethods],
  ["unknown paths", unknownPaths],
  ["reject in Slack, with a reason", rejected],
  ["approve on the command line, and buy", approvedByCommand],
  ["an upgrade keeps what is there", upgraded],
  ["a month passes", outdated],
  ["a revoked key stops", revoked],
  ["the schedule settles the order in doubt", settled],
  ["the feed lists what has happened", followed],
  ["the schedule has the month paid", renewed],
  ["the sweep finds carrier and table alike", swept],
  ["every payment is in the ledger", paid],
  ["no function was denied anything", undenied],
  ["a function that loses its policy is refused", disarmed],
];

/** One walk through a deployment. */
export class Walk {
  /** `description` is the API's; `prices` and `sipHost` are what the deployment was told; `deploy` tells it something else. */
  constructor(deployment) {
    Object.assign(this, deployment);
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
    console.log(`\n${"flow".padEnd(56)}${"answers".padStart(9)}${"ms".padStart(8)}`);
    for (const [name, answers, ms] of table) {
      console.log(`${name.padEnd(56)}${String(answers).padStart(9)}${String(ms).padStart(8)}`);
    }
  }

  /** Calls the API, and answers the whole answer, which must have this status and these values in its body. */
  async answer(api, method, path, body, status, values = {}, headers = {}) {
    const answer = await api.call(method, path, body, headers);
    this.answers += 1;
    expect(`${method} /v1/phone-numbers${path}`, answer, status, values);
    return answer;
  }

  /** The same, and answers the body of the answer. */
  async ask(...call) {
    return (await this.answer(...call)).body;
  }

  /** Has a member of staff do something with a message in Slack, and answers what they see then. */
  async inSlack(action, body) {
    const url = new URL(`./${action}`, this.local.slackMessagesUrl);
    const headers = { "content-type": "application/json" };
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    this.answers += 1;
    const outcome = await response.json();
    if (outcome.failure) throw new Error(`Slack says: ${outcome.failure}`);
    return outcome;
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

/** A form that says just enough of a business, and agrees to the wording that its organization is shown. */
async function declaration(walk, customer, businessName) {
  const { requiredAttestation } = await walk.ask(customer, "GET", "/kyb", undefined, 200);
  return {
    declaration: { businessName, useCase: "Appointment reminders" },
    attestationAccepted: true,
    attestationVersion: requiredAttestation.version,
  };
}

/** Nothing here means anything unless a call without leave is refused: here a person's, in the last flow a function's. */
async function allowed(walk) {
  const { stack, operator } = walk;
  const event = JSON.parse(await readFile("events/reconciler.json", "utf8"));
  const said = await stack.invoke("Reconciler", event, operator.account).then(() => "done", ({ message }) => message);
  if (!/answered 403.*not authorized to perform: lambda:InvokeFunction/s.test(said)) {
    throw new Error(`a user who may not invoke functions should be told so, and was told: ${said}`);
  }
  return "a function cannot be invoked by whoever may only operate the table and the queues";
}

async function admitted(walk) {
  const { operator } = walk;
  walk.customer = await operator.admit(...ORGANIZATIONS.harbor, CREDITS);
  walk.newcomer = await operator.admit(...ORGANIZATIONS.fresh, CREDITS);
  const [harbor] = ORGANIZATIONS.harbor;
  for (const agent of AGENTS) await operator.ops("agents", "register", harbor, agent);
  await operator.ops("sip", "register", harbor, CONNECTION, "--provider", "Example Trunks", "--disconnected");
  const found = await operator.ops("orgs", "list");
  agree("the organizations", found.map(({ id }) => id), Object.values(ORGANIZATIONS).map(([id]) => id).sort());
  return `each with a key and ${CREDITS} USD`;
}

async function searched(walk) {
  const path = "/available?areaCode=415&limit=3";
  const found = await walk.ask(walk.customer, "GET", path, undefined, 200, { length: 3 });
  const [{ upfrontCostUsd, monthlyCostUsd }] = found;
  agree("the prices", { upfrontCostUsd, monthlyCostUsd }, walk.prices);
  walk.found = found.map(({ e164 }) => e164);
  return walk.found.join(" ");
}

async function refused(walk) {
  const order = { e164: walk.found[0] };
  const { code } = await walk.ask(walk.customer, "POST", "", order, 403, { code: "PHONE_NUMBER_KYB_REQUIRED" });
  return code;
}

async function submitted(walk) {
  // So that nobody waits for minutes until what fails is put aside.
  await walk.operator.giveUpAfter(2, 3);
  const [, business] = ORGANIZATIONS.harbor;
  await walk.ask(walk.customer, "GET", "/kyb", undefined, 200, { status: "missing" });
  const filed = { status: "submitted", slackNotificationStatus: "queued" };
  const form = await declaration(walk, walk.customer, business);
  walk.submission = await walk.ask(walk.customer, "POST", "/kyb/submit", form, 200, filed);
  const again = { code: "KYB_UNDER_REVIEW" };
  await walk.ask(walk.customer, "POST", "/kyb/submit", form, 409, again);
  return walk.submission.id;
}

/** What staff have read of a business, the newest first. */
async function announcements(walk, business) {
  const messages = await (await fetch(walk.local.slackMessagesUrl)).json();
  return messages.filter((message) => JSON.stringify(message).includes(business));
}

/** The newest announcement of a business, once there are this many. */
async function announced(walk, business, count) {
  const told = await eventually("the announcement", DELIVERED_WITHIN, async () => {
    const messages = await announcements(walk, business);
    return messages.length >= count && messages;
  });
  agree("the number of announcements", told.length, count);
  return told[0];
}

/** Slack's secret still holds what the stack has made up, so Slack refuses the notification. */
async function buried(walk) {
  await walk.operator.notify(POISON);
  const letters = await eventually("the burial of two messages", DELIVERED_WITHIN, async () => {
    const letters = await walk.operator.ops("dead-letters", "look");
    return letters.length >= 2 && letters;
  });
  const named = letters.map(({ submissionId }) => submissionId ?? "none");
  agree("the submissions that dead letters name", named.sort(), [walk.submission.id, "none"].sort());
  agree("what Slack has shown", (await announcements(walk, ORGANIZATIONS.harbor[1])).length, 0);
  return "a notification that Slack refuses, and one that names no submission";
}

async function redriven(walk) {
  const { operator, local } = walk;
  await operator.setSecret("SlackSecretArn", local.slackSecret);
  await operator.redrive();
  const [, business] = ORGANIZATIONS.harbor;
  await announced(walk, business, 1);
  const letters = await eventually("the burial of the poison", DELIVERED_WITHIN, async () => {
    const letters = await operator.ops("dead-letters", "look");
    return letters.length > 0 && letters;
  });
  agree("the dead letters", letters.map(({ organizationId, submissionId }) => ({ organizationId, submissionId })), [
    { organizationId: ORGANIZATIONS.fresh[0], submissionId: null },
  ]);
  walk.message = await announced(walk, business, 1);
  // From here on nothing is to come twice because a machine was busy.
  await operator.giveUpAfter(8, 60);
  return walk.message.text;
}

async function approved(walk) {
  const { channel, ts } = walk.message;
  const forged = await fetch(walk.interactionsUrl, {
    method: "POST",
    headers: { "x-slack-request-timestamp": String(Math.floor(Date.now() / 1000)), "x-slack-signature": "v0=00" },
    body: "payload={}",
  });
  walk.answers += 1;
  agree("the answer to a call that Slack has not signed", forged.status, 401);
  await walk.inSlack("click", { user: STAFF, channel, ts, action: "approve" });
  const { submission } = await walk.ask(walk.customer, "GET", "/kyb", undefined, 200, { status: "approved" });
  agree("who has decided", submission.reviewerUserId, STAFF);
  const { blocks } = await announced(walk, ORGANIZATIONS.harbor[1], 1);
  agree("whether the message still has buttons", JSON.stringify(blocks).includes('"actions"'), false);
  return `by ${submission.reviewerUserId}; the message has no buttons any more`;
}

async function inDoubt(walk) {
  const order = { e164: "+14155550500" };
  const row = await walk.ask(walk.customer, "POST", "", order, 200, { ...order, providerResourceId: null });
  agree("the state", row.setupStatus.status, "action_required");
  walk.doubted = row;
  return `${row.e164} is ours to settle`;
}

async function bought(walk) {
  const order = { e164: walk.found[0], direction: "both", agentId: AGENTS[0] };
  const headers = { "idempotency-key": "first-number" };
  const buy = () => walk.answer(walk.customer, "POST", "", order, 200, { ...order, source: "managed" }, headers);
  const { body: row } = await buy();
  agree("the state", row.setupStatus.status, "ready");
  const again = await buy();
  agree("what is answered to the same again", again.body, row);
  agree("whether it is a replay", again.headers.get("idempotency-replayed"), "true");
  walk.bought = row;
  return `${row.e164} is ${row.id}, the carrier's ${row.providerResourceId}`;
}

async function rerouted(walk) {
  const change = { agentId: AGENTS[1], direction: "inbound" };
  const { id } = walk.bought;
  const row = await walk.ask(walk.customer, "PATCH", `/${id}`, change, 200, change);
  return `${row.direction} calls go to ${row.agentId}`;
}

async function imported(walk) {
  const order = { e164: "+12125550142", sipConnectionInstallationId: CONNECTION, direction: "inbound" };
  const row = await walk.ask(walk.customer, "POST", "/import", order, 200, { e164: order.e164, source: "sip_trunk" });
  agree("where its calls go", row.setupStatus.forwardingSipUri, `sip:${order.e164}@${walk.sipHost}`);
  walk.imported = row;
  return `${row.e164} is to be forwarded to ${row.setupStatus.forwardingSipUri}`;
}

async function listed(walk) {
  const rows = await walk.ask(walk.customer, "GET", "", undefined, 200);
  agree("the numbers, newest first", rows.map(({ id }) => id), [walk.imported.id, walk.bought.id, walk.doubted.id]);
  await walk.ask(walk.customer, "GET", `/${walk.bought.id}`, undefined, 200, { agentId: AGENTS[1] });
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

async function rejected(walk) {
  const [, business] = ORGANIZATIONS.fresh;
  const form = await declaration(walk, walk.newcomer, business);
  await walk.ask(walk.newcomer, "POST", "/kyb/submit", form, 200, { status: "submitted" });
  const { channel, ts } = await announced(walk, business, 1);
  const { view } = await walk.inSlack("click", { user: STAFF, channel, ts, action: "reject" });
  const outcome = await walk.inSlack("submit", { user: STAFF, view: view.id, values: { reason: REASON } });
  agree("what is wrong with the form", outcome.errors, {});
  const { submission } = await walk.ask(walk.newcomer, "GET", "/kyb", undefined, 200, { status: "rejected" });
  agree("the reason", submission.rejectionReason, REASON);
  const order = { e164: walk.found[1] };
  const { code } = await walk.ask(walk.newcomer, "POST", "", order, 403, { code: "PHONE_NUMBER_KYB_SUSPENDED" });
  return `"${submission.rejectionReason}"; buying: ${code}`;
}

async function approvedByCommand(walk) {
  const [organization, business] = ORGANIZATIONS.fresh;
  const form = await declaration(walk, walk.newcomer, business);
  const { id } = await walk.ask(walk.newcomer, "POST", "/kyb/submit", form, 200);
  await announced(walk, business, 2);
  const queue = await walk.operator.ops("verifications", "queue");
  agree("what waits for staff", queue.map(({ id }) => id), [id]);
  const decided = await walk.operator.ops("verifications", "approve", organization, id);
  agree("what became of it", [decided.status, decided.slackMessage], ["approved", "rewritten"]);
  const order = { e164: walk.found[1] };
  const row = await walk.ask(walk.newcomer, "POST", "", order, 200, order);
  agree("the organization", row.organizationId, organization);
  walk.approved = row;
  return `${row.e164} is ${row.id}`;
}

async function upgraded(walk) {
  const monthlyCostUsd = walk.prices.monthlyCostUsd * 2;
  await walk.deploy({ MonthlyPriceUsd: monthlyCostUsd.toFixed(2) });
  const [{ upfrontCostUsd, ...offer }] = await walk.ask(walk.customer, "GET", "/available?limit=1", undefined, 200);
  agree("the prices", [upfrontCostUsd, offer.monthlyCostUsd], [walk.prices.upfrontCostUsd, monthlyCostUsd]);
  const rows = await walk.ask(walk.customer, "GET", "", undefined, 200);
  agree("the numbers, still in doubt", rows.map(({ id, providerResourceId }) => [id, providerResourceId]), [
    [walk.doubted.id, null],
  ]);
  await walk.operator.resumeSchedules();
  return `a month costs ${monthlyCostUsd} USD now; the order is still in doubt, and the carrier still knows our key`;
}

async function revoked(walk) {
  const [organization] = ORGANIZATIONS.fresh;
  const { id, apiKey } = await walk.operator.ops("keys", "issue", organization, "--scopes", "read");
  const headers = { authorization: `Bearer ${apiKey}` };
  const look = async () => (await anything(walk, "GET", "/v1/phone-numbers", headers))[1].status;
  agree("the answer to a new key", await look(), 200);
  await walk.operator.ops("keys", "revoke", organization, id);
  const began = Date.now();
  await eventually("the end of the key", REVOKED_WITHIN, async () => (await look()) === 401);
  return `${Math.round((Date.now() - began) / 1000)} s after it was revoked`;
}

async function settled(walk) {
  const row = await eventually("the settlement", SETTLED_WITHIN, async () => {
    const row = await walk.ask(walk.customer, "GET", `/${walk.doubted.id}`, undefined, 200);
    return row.providerResourceId && row;
  });
  agree("the state", row.setupStatus.issues, []);
  return `${row.e164} is the carrier's ${row.providerResourceId}`;
}

/** By now the release is more than half a minute ago. */
async function followed(walk) {
  const { id } = walk.bought;
  const query = `/events?phoneNumberId=${id}&limit=2`;
  const { data, nextCursor } = await walk.ask(walk.customer, "GET", query, undefined, 200);
  const rest = await walk.ask(walk.customer, "GET", `${query}&cursor=${nextCursor}`, undefined, 200);
  const events = [...data, ...rest.data].map(({ type, sequence }) => `${sequence} ${type.replace("phone_number.", "")}`);
  agree("the events of a number", events, ["1 purchased", "2 updated", "3 released"]);
  agree("what another organization sees of them", (await walk.ask(walk.newcomer, "GET", query, undefined, 200)).data, []);
  const trail = await walk.operator.ops("events", ORGANIZATIONS.harbor[0], id);
  agree("what the operator sees of them", trail.flatMap(({ sequences }) => sequences), [3, 2, 1]);
  return events.join(", ");
}

/** The row's dates are moved; everything else is the schedule's, the queue's and the worker's. */
async function outdated(walk) {
  const [organization] = ORGANIZATIONS.fresh;
  const { id } = walk.approved;
  walk.approved.dueAt = await walk.stack.outdate(organization, id);
  const [first, sums] = await walk.operator.ops("renewals", "due", "--organization", organization);
  agree("what is due", [first.id, first.dueAt, first.months, sums.dueUsd], [id, walk.approved.dueAt, 1, first.dueUsd]);
  return `${first.dueUsd} USD are due`;
}

async function renewed(walk) {
  const [organization] = ORGANIZATIONS.fresh;
  const { id, dueAt } = walk.approved;
  const row = await eventually("the charge", SETTLED_WITHIN, async () => {
    const row = await walk.ask(walk.newcomer, "GET", `/${id}`, undefined, 200);
    return row.nextChargeAt > dueAt && row;
  });
  agree("whether it is suspended", row.billingSuspendedAt, null);
  agree("what is due now", await walk.operator.ops("renewals", "due", "--organization", organization), []);
  return `${row.e164} is paid until ${row.nextChargeAt}`;
}

async function swept(walk) {
  const event = JSON.parse(await readFile("events/reconciler-sweep.json", "utf8"));
  const report = await walk.stack.invoke("Reconciler", event);
  agree("whether the sweep is complete", report.complete, true);
  for (const side of [report.atCarrier, report.inTable]) agree("what differs", [side.matched, side.found], [2, []]);
  return "two numbers on either side";
}

/** Two purchases of one organization; a purchase and a month of the other. Releasing gives nothing back. */
async function paid(walk) {
  const price = walk.prices.upfrontCostUsd + walk.prices.monthlyCostUsd;
  const left = [];
  const spent = [
    [ORGANIZATIONS.harbor, walk.customer, 2, 0],
    [ORGANIZATIONS.fresh, walk.newcomer, 1, 1],
  ];
  for (const [[organization], customer, purchases, months] of spent) {
    const should = (Number(CREDITS) - purchases * price - months * walk.prices.monthlyCostUsd).toFixed(2);
    const { balanceUsd } = await walk.operator.ops("credits", "balance", organization);
    agree(`the balance of ${organization}`, balanceUsd, should);
    const ledger = await walk.operator.ops("credits", "ledger", organization);
    agree(`the number of entries of ${organization}`, ledger.length, 1 + purchases + months);
    const read = await walk.client(walk.stack.url, customer.key);
    agree("the balance that the published client reads", read.balanceUsd, Number(should));
    const entries = ledger.map(({ kind, amountUsd }) => [kind, Math.round(Number(amountUsd) * 1e6)]);
    agree("the entries that the published client reads", read.entries, entries);
    left.push(`${organization} has ${balanceUsd} USD left`);
  }
  agree("the orders in doubt", await walk.operator.ops("orders", "list"), []);
  return left.join(", ");
}

/** Some can do without what they are denied, so that no answer would tell. */
async function undenied(walk) {
  const [sentence] = await walk.denied();
  if (sentence) throw new Error(sentence);
  return "as their logs say";
}

async function disarmed(walk) {
  const search = "/available?areaCode=415&limit=1";
  await walk.ask(walk.customer, "GET", search, undefined, 200);
  const policies = await walk.stack.disarm("AvailableRole");
  await walk.ask(walk.customer, "GET", search, undefined, 500, { code: "INTERNAL_ERROR" });
  const [sentence] = await walk.denied();
  if (!sentence) throw new Error("its log says nothing of it");
  return `${policies.join(", ")} was taken away`;
}
