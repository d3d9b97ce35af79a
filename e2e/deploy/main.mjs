// Does the bundle work when it is deployed as its template says?
//
//   node main.mjs TOOLS SAM CLOUD CLIENT BUILT BINARIES LOGS
//
// The SAM CLI deploys what `sam build` has left in BUILT to ministack, which runs the very programs that Lambda would
// run, each with the leave that its policies give. Then customers, staff, schedules and the operator do what they do.
// Carrier and Slack are the local run's sandboxes; nothing leaves this machine.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

import { carrierSecret, startLocal } from "../local.mjs";
import { Processes } from "../processes.mjs";
import { freePort } from "../servers.mjs";
import { Aws } from "./aws.mjs";
import { Operator } from "./operator.mjs";
import { Stack, adapted } from "./stack.mjs";
import { FLOWS, Walk } from "./walk.mjs";

const [tools, sam, cloud, python, built, binaries, logs] = process.argv.slice(2);

// None of them is what the template has by itself.
const PRICES = { upfrontCostUsd: 2.5, monthlyCostUsd: 1.25 };
const ARCHITECTURE = process.arch === "arm64" ? "arm64" : "x86_64";
const SIP_HOST = "sip.e2e.example.com";

// Who owns the account in ministack. What everybody else may do, policies say.
const OWNER = { accessKeyId: "owner", secretAccessKey: "owner-of-a-local-account" };

// How long ministack may take to hand out what the functions have logged, in milliseconds.
const LOGS_LIMIT = 5_000;

const tool = createRequire(resolve(tools, "package.json"));
const { AwsClient } = tool("aws4fetch");
const work = await mkdtemp(join(tmpdir(), "deploy-"));
const processes = new Processes(logs);
let aws;
let ending = false;
process.on("SIGTERM", () => end(143));
process.on("SIGINT", () => end(130));
try {
  await check();
  await end(0);
} catch (error) {
  if (!ending) await report(error);
  await end(1);
}

/** Leaves nothing running and nothing lying about, except for the logs. */
async function end(code) {
  if (ending) return new Promise(() => {});
  ending = true;
  const late = pause(LOGS_LIMIT, "took too long", { ref: false }).then((why) => Promise.reject(new Error(why)));
  await Promise.race([keepLogs(), late]).catch(({ message }) => console.error(`the functions' logs are not kept: ${message}`));
  await processes.stop();
  await rm(work, { recursive: true, force: true });
  process.exit(code);
}

async function check() {
  await startCloud();
  // Carrier and Slack come once it is known where the deployment is, and are promised to it before.
  const port = await freePort();
  const [telnyxUrl, slackUrl] = ["carrier/v2", "slack/api"].map((path) => `http://127.0.0.1:${port}/sandbox/${path}`);
  const template = await adapted(tool("yaml"), built);
  console.log(`left out, because ministack has no calculated metrics: ${template.names.join(", ") || "nothing"}`);
  const stack = new Stack(aws, await samCli());
  const deploy = (parameters) => {
    console.log(`deploying to ${aws.url}`);
    return stack.deploy(template.file, parameters);
  };
  await deploy({
    Stage: "development",
    SipHost: SIP_HOST,
    UpfrontPriceUsd: PRICES.upfrontCostUsd.toFixed(2),
    MonthlyPriceUsd: PRICES.monthlyCostUsd.toFixed(2),
    TelnyxUrl: telnyxUrl,
    SlackUrl: slackUrl,
    TableDeletionProtection: "false",
    Architecture: ARCHITECTURE,
  });
  const routes = await stack.route();
  console.log(`${stack.named("AWS::Lambda::Function").length} functions, ${routes.length} routes at ${stack.url}`);

  const interactionsUrl = `${stack.url}/slack/interactions`;
  const more = ["--interactions-url", interactionsUrl];
  const local = await startLocal(processes, binaries, work, "sandboxes", { port, more });
  const operator = await Operator.hired(aws, stack, binaries, environment(), { telnyxUrl, slackUrl });
  await operator.setSecret("TelnyxSecretArn", carrierSecret());
  await operator.pauseSchedules();
  const description = JSON.parse(await readFile("openapi.json", "utf8"));
  const deployment = { stack, operator, local, interactionsUrl, description, deploy, denied, client };
  await new Walk({ ...deployment, prices: PRICES, sipHost: SIP_HOST }).run(FLOWS);
}

/** Starts ministack, empty. Whoever wants to reach anything outside meets a proxy that is not there. */
async function startCloud() {
  const port = await freePort();
  aws = new Aws(AwsClient, `http://127.0.0.1:${port}`, OWNER);
  const started = processes.start("ministack", join(cloud, "ministack"), [], {
    ...environment(),
    BIND_HOST: "127.0.0.1",
    MINISTACK_HOST: "127.0.0.1",
    GATEWAY_PORT: port,
    // Looks at every signature, and at the policies of whoever has signed.
    AUTH: "true",
    // Neither of these two servers is wanted, and both would take a fixed port.
    IOT_MTLS_ENABLED: "0",
    SFTP_ENABLED: "0",
  });
  const health = () => fetch(`${aws.url}/_ministack/health`).then(({ ok }) => ok, () => false);
  await processes.until(started, "it answered", health);
}

/** Runs the SAM CLI as the owner of the account. */
async function samCli() {
  // It asks PyPI for a newer version of itself once a week.
  const state = { telemetryEnabled: false, lastVersionCheck: Date.now() / 1000 };
  await writeFile(join(work, "metadata.json"), JSON.stringify(state));
  const variables = { ...environment(), SAM_CLI_TELEMETRY: "0", __SAM_CLI_APP_DIR: work };
  return (log, args) => processes.finish(processes.start(log, sam, args, variables));
}

function environment() {
  return {
    PATH: process.env.PATH,
    HOME: work,
    TMPDIR: work,
    HTTP_PROXY: "http://127.0.0.1:9",
    HTTPS_PROXY: "http://127.0.0.1:9",
    NO_PROXY: "127.0.0.1,localhost",
    AWS_ENDPOINT_URL: aws.url,
    AWS_ACCESS_KEY_ID: OWNER.accessKeyId,
    AWS_SECRET_ACCESS_KEY: OWNER.secretAccessKey,
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_EC2_METADATA_DISABLED: "true",
  };
}

/** What the published Python client reads of an organization's credits. */
async function client(url, key) {
  const environment = { HOME: work, NO_PROXY: "127.0.0.1,localhost" };
  const { stdout } = await promisify(execFile)(python, ["e2e/deploy/client.py", url, key], { env: environment });
  return JSON.parse(stdout);
}

/** What each function has logged, by its name. */
async function functionLogs() {
  const ask = (action, body) => aws.json("logs", `Logs_20140328.${action}`, body);
  const { logGroups } = await ask("DescribeLogGroups", { logGroupNamePrefix: "/aws/lambda/" });
  const texts = logGroups.map(async ({ logGroupName }) => {
    const { events } = await ask("FilterLogEvents", { logGroupName });
    return [basename(logGroupName), events.map(({ message }) => `${message.trimEnd()}\n`).join("")];
  });
  return Promise.all(texts);
}

/** What functions were denied, in sentences, even where they could do without. */
async function denied() {
  const lines = (await functionLogs()).flatMap(([name, text]) => text.split("\n").map((line) => [name, line]));
  const refused = lines.filter(([, line]) => line.includes("AccessDenied"));
  return refused.map(([name, line]) => `${name} may not do what it does: ${line}`);
}

async function report(error) {
  console.error(`\nwrong: ${error.message}`);
  for (const sentence of await denied().catch(() => [])) console.error(`also: ${sentence}`);
}

/** Writes down what the functions have logged, a file for each. */
async function keepLogs() {
  if (!aws) return;
  for (const [name, text] of await functionLogs()) await writeFile(join(logs, `function-${name}.log`), text);
}
