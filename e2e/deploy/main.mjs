// Does the bundle work when it is deployed as its template says?
//
//   node main.mjs TOOLS SAM CLOUD BUILT BINARIES LOGS
//
// The SAM CLI deploys what `sam build` has left in BUILT to ministack, which runs the very programs that Lambda would
// run. Then customers, staff, schedules and the operator do what they do. Carrier and Slack are the local run's
// sandboxes; nothing leaves this machine.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";

import { carrierSecret, startLocal } from "../local.mjs";
import { Processes } from "../processes.mjs";
import { freePort } from "../servers.mjs";
import { Aws } from "./aws.mjs";
import { Operator } from "./operator.mjs";
import { Stack, reduced } from "./stack.mjs";
import { FLOWS, Walk } from "./walk.mjs";

const [tools, sam, cloud, built, binaries, logs] = process.argv.slice(2);

// None of them is what the template has by itself.
const PRICES = { upfrontCostUsd: 2.5, monthlyCostUsd: 1.25 };
const SIP_HOST = "sip.e2e.example.com";

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
  if (!ending) console.error(`\nwrong: ${error.message}`);
  await end(1);
}

/** Leaves nothing running and nothing lying about, except for the logs. */
async function end(code) {
  if (ending) return new Promise(() => {});
  ending = true;
  await keepLogs().catch((error) => console.error(`the functions' logs could not be kept: ${error.message}`));
  await processes.stop();
  await rm(work, { recursive: true, force: true });
  process.exit(code);
}

async function check() {
  const local = await startLocal(processes, binaries, work, "sandboxes");
  await startCloud();
  const template = await reduced(createRequire(resolve(tools, "package.json"))("yaml"), built);
  console.log(`left out, because ministack has no calculated metrics: ${template.names.join(", ") || "nothing"}`);
  console.log(`deploying to ${aws.url}`);
  const stack = await Stack.deploy(processes, aws, sam, template.file, await samEnvironment(), {
    Stage: "development",
    SipHost: SIP_HOST,
    UpfrontPriceUsd: PRICES.upfrontCostUsd.toFixed(2),
    MonthlyPriceUsd: PRICES.monthlyCostUsd.toFixed(2),
    TelnyxUrl: local.carrierUrl,
    SlackUrl: `${local.baseUrl}/sandbox/slack/api`,
    TableDeletionProtection: "false",
  });
  const routes = await stack.route();
  console.log(`${stack.named("AWS::Lambda::Function").length} functions, ${routes.length} routes at ${stack.url}`);

  const operator = new Operator(aws, stack);
  await operator.setSecret("TelnyxSecretArn", carrierSecret());
  await operator.pauseSchedules();
  await operator.hurry(2, 1);
  console.log(`${await operator.admit(local)} rows for ${local.organizations.length} organizations`);
  const description = JSON.parse(await readFile("openapi.json", "utf8"));
  await new Walk({ stack, operator, local, description, prices: PRICES, sipHost: SIP_HOST }).run(FLOWS);
}

/** Starts ministack, empty. Whoever wants to reach anything outside meets a proxy that is not there. */
async function startCloud() {
  const port = await freePort();
  aws = new Aws(`http://127.0.0.1:${port}`);
  const started = processes.start("ministack", join(cloud, "ministack"), [], {
    ...environment(),
    BIND_HOST: "127.0.0.1",
    MINISTACK_HOST: "127.0.0.1",
    GATEWAY_PORT: port,
    // Neither of these two servers is wanted, and both would take a fixed port.
    IOT_MTLS_ENABLED: "0",
    SFTP_ENABLED: "0",
  });
  const health = () => fetch(`${aws.url}/_ministack/health`).then(({ ok }) => ok, () => false);
  await processes.until(started, "it answered", health);
}

async function samEnvironment() {
  // It asks PyPI for a newer version of itself once a week.
  const state = { telemetryEnabled: false, lastVersionCheck: Date.now() / 1000 };
  await writeFile(join(work, "metadata.json"), JSON.stringify(state));
  return { ...environment(), SAM_CLI_TELEMETRY: "0", __SAM_CLI_APP_DIR: work };
}

function environment() {
  return {
    PATH: process.env.PATH,
    HOME: work,
    TMPDIR: work,
    HTTPS_PROXY: "http://127.0.0.1:9",
    NO_PROXY: "127.0.0.1,localhost",
    AWS_ENDPOINT_URL: aws.url,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_EC2_METADATA_DISABLED: "true",
  };
}

/** Writes down what the functions have logged, a file for each. */
async function keepLogs() {
  if (!aws) return;
  const ask = (action, body) => aws.json("logs", `Logs_20140328.${action}`, body);
  const { logGroups } = await ask("DescribeLogGroups", { logGroupNamePrefix: "/aws/lambda/" });
  for (const { logGroupName } of logGroups) {
    const { events } = await ask("FilterLogEvents", { logGroupName });
    const lines = events.map(({ message }) => `${message.trimEnd()}\n`).join("");
    await writeFile(join(logs, `function-${basename(logGroupName)}.log`), lines);
  }
}
