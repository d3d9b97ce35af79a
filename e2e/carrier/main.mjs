// Is what we send to the carrier, and what the sandbox carrier answers, as the carrier describes it?
//
//   node main.mjs DESCRIPTION TOOLS BINARIES LOGS
//
// The service talks to the sandbox carrier through Prism, which holds each message against the description. Nothing of
// the description is kept.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { Lambda } from "../lambda.mjs";
import { Api, carrierSecret, startLocal } from "../local.mjs";
import { Processes } from "../processes.mjs";
import { Description } from "./description.mjs";
import { NULLS } from "./excuses.mjs";
import { drive } from "./flows.mjs";
import { KINDS, kindOf } from "./kinds.mjs";
import { prove, puppet } from "./proof.mjs";
import { Referee } from "./referee.mjs";

const [file, tools, binaries, logs] = process.argv.slice(2);
const { parse } = createRequire(resolve(tools, "package.json"))("yaml");

const work = await mkdtemp(join(tmpdir(), "carrier-"));
const processes = new Processes(logs);
const servers = [];
let ending = false;
process.on("SIGTERM", () => end(143));
process.on("SIGINT", () => end(130));
try {
  await end((await check()) ? 0 : 1);
} catch (error) {
  if (!ending) console.error(error);
  await end(1);
}

/** Leaves nothing running and nothing lying about. */
async function end(code) {
  if (ending) return new Promise(() => {});
  ending = true;
  await processes.stop();
  await Promise.all(servers.map((server) => server.close()));
  await rm(work, { recursive: true, force: true });
  process.exit(code);
}

async function check() {
  const description = new Description(parse(await readFile(file, "utf8")));
  const document = join(work, "strict.json");
  await writeFile(document, JSON.stringify(description.strict()));

  const carrier = await startLocal(processes, binaries, work, "carrier");
  const referee = await startReferee("prism", description, document, carrier.carrierUrl);
  const service = await startLocal(processes, binaries, work, "service", { more: ["--carrier-url", referee.url] });
  const environment = {
    TELNYX_URL: referee.url,
    TELNYX_SECRET: carrierSecret(),
    TABLE_NAME: service.tableName,
    AWS_ENDPOINT_URL: service.dynamoDbUrl,
    NOTIFICATIONS_QUEUE_URL: `${service.baseUrl}/sandbox/queue/NotificationsQueue`,
    SIP_HOST: "sip.example.com",
  };
  const [numbers, reconciler] = await Promise.all(
    ["numbers", "reconciler"].map((name) => Lambda.start(processes, name, join(binaries, name), environment)),
  );
  servers.push(numbers, reconciler);
  const key = service.organizations.find(({ name }) => name === "verified").apiKey;
  console.log("buying, releasing and settling through the referee; orders in doubt take a good minute");
  const trouble = await drive({
    api: new Api(service.baseUrl, key),
    carrier: carrier.carrierUrl,
    referee: referee.url,
    numbers,
    reconciler,
  });

  const { exchanges } = referee;
  console.log("showing the referee what is wrong");
  const stage = await puppet();
  servers.push(stage);
  const doubted = await startReferee("prism-proof", description, document, stage.url);
  const proof = await prove(doubted, stage, samples(exchanges));
  return report(exchanges, trouble, proof);
}

/** A Prism in front of `upstream`, and the referee in front of that. */
async function startReferee(name, description, document, upstream) {
  const prism = join(tools, "node_modules/.bin/prism");
  const started = processes.start(name, process.execPath, [prism, "proxy", document, upstream, "--port", "0"]);
  const listens = (text) => /listening on (http:\S+)/.exec(text)?.[1];
  const referee = await Referee.start(description, await processes.until(started, "it listened", listens));
  servers.push(referee);
  return referee;
}

/** For each operation and status the first exchange in which nothing was wrong. */
function samples(exchanges) {
  const found = new Map();
  for (const exchange of exchanges) {
    const key = `${exchange.operation} ${exchange.answer?.status}`;
    if (exchange.answer?.body && exchange.violations.length === 0 && !found.has(key)) found.set(key, exchange);
  }
  return [...found.values()];
}

/** Prints what was seen, and answers whether all of it is as it should be. */
function report(exchanges, trouble, proof) {
  const wrong = [...trouble];
  const unlisted = new Set();
  for (const exchange of exchanges.filter(({ ours }) => ours)) {
    exchange.kind = kindOf(exchange);
    if (!exchange.kind) unlisted.add(`${exchange.operation} with ${exchange.names.join(", ") || "nothing"}`);
  }
  for (const name of unlisted) wrong.push(`a request that kinds.mjs does not list: ${name}`);

  const line = (...cells) => {
    const [what, operation, ...counts] = cells;
    const numbers = counts.map((count) => String(count).padStart(11)).join("");
    console.log(`${what.padEnd(26)}${operation.padEnd(36)}${numbers}`);
  };
  console.log();
  line("kind", "operation", "requests", "unanswered", "violations");
  for (const kind of KINDS) {
    const seen = exchanges.filter((exchange) => exchange.kind === kind);
    const unanswered = seen.filter(({ answer }) => !answer).length;
    line(kind.what, kind.operation, seen.length, unanswered, violationsOf(seen));
    if (seen.length === unanswered) wrong.push(`never seen with an answer: ${kind.what} (${kind.operation})`);
  }
  const direct = exchanges.filter(({ ours }) => !ours);
  line("asked by the check itself", "", direct.length, 0, violationsOf(direct));

  const general = counted(
    exchanges.filter((exchange) => exchange.general),
    ({ operation, answer }) => `${operation}: ${answer.status}`,
  );
  console.log("\ngeneral errors that the description does not name for the operation; their form was checked");
  for (const [what, count] of general) console.log(`  ${what} (${count})`);

  const excused = counted(
    exchanges.flatMap(({ excused }) => excused),
    (field) => field,
  );
  console.log(`\nexcused, because ${NULLS.why}`);
  for (const [field, count] of excused) console.log(`  ${field} (${count})`);
  for (const field of NULLS.fields) if (!excused.has(field)) wrong.push(`an excuse that nothing needs: ${field}`);

  const violations = counted(exchanges.flatMap(sentences), (sentence) => sentence);
  for (const [text, count] of violations) wrong.push(`${text} (${count})`);
  wrong.push(...proof.mistakes);
  console.log(`\n${exchanges.length} requests were passed on; the referee was shown ${proof.shown} wrong ones`);
  for (const sentence of wrong) console.error(`wrong: ${sentence}`);
  return wrong.length === 0;
}

function sentences({ operation, answer, violations }) {
  const status = answer?.status ?? "unanswered";
  return violations.map(({ location, message }) => `${operation} ${status}: ${location.join(".")}: ${message}`);
}

function violationsOf(exchanges) {
  return exchanges.reduce((sum, { violations }) => sum + violations.length, 0);
}

function counted(things, name) {
  const counts = new Map();
  for (const thing of things) counts.set(name(thing), (counts.get(name(thing)) ?? 0) + 1);
  return counts;
}
