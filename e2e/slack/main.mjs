// Does the sandbox Slack's page do in a real browser what it is for, and does it show whatever customers write as text?
//
//   node main.mjs TOOLS BROWSER BINARIES PICTURES
//
// Two reviewers look at one local run, each in a window of their own. Nothing here waits for a fixed time.

import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { startLocal } from "../local.mjs";
import { ops } from "../ops.mjs";
import { Processes } from "../processes.mjs";
import { serve } from "../servers.mjs";
import { review } from "./review.mjs";
import { Window } from "./window.mjs";

const [tools, executablePath, binaries, pictures] = process.argv.slice(2);
const { chromium } = createRequire(resolve(tools, "package.json"))("playwright-core");

const work = await mkdtemp(join(tmpdir(), "slack-"));
const processes = new Processes(pictures);
const windows = [];
let browser;
let trap;
let ending = false;
process.on("SIGTERM", () => end(143));
process.on("SIGINT", () => end(130));
try {
  await main();
  await end(0);
} catch (error) {
  if (!ending) await report(error);
  await end(1);
}

/** Leaves nothing running and nothing lying about. */
async function end(code) {
  if (ending) return new Promise(() => {});
  ending = true;
  await browser?.close();
  await processes.stop();
  await trap?.close();
  await rm(work, { recursive: true, force: true });
  process.exit(code);
}

async function main() {
  const service = await startLocal(processes, binaries, work, "local");
  const hits = [];
  trap = await serve((request, response) => {
    hits.push(request.url);
    response.end();
  });
  browser = await chromium.launch({
    executablePath,
    // The root user of a container has no sandbox.
    chromiumSandbox: process.getuid?.() !== 0,
    // This step closes it itself, also when it is stopped.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
  console.log(`Chromium ${browser.version()}`);
  const page = new URL("./", service.slackMessagesUrl).href;
  const open = async (name, options) => {
    const window = await Window.open(browser, page, join(pictures, name), options);
    windows.push(window);
    return window;
  };
  const operator = (place, ...command) => ops(binaries, [`--local=${place}`, ...command]);
  await review({ service, ready: join(work, "local.json"), ops: operator, open, trap: { url: trap.url, hits }, check });
}

/** Does one check, and says how it went. */
async function check(sentence, look) {
  try {
    await look();
  } catch (error) {
    console.log(`FAILED  ${sentence}`);
    throw error;
  }
  console.log(`ok      ${sentence}`);
}

/** What went wrong, and what everybody had on the screen then. */
async function report(error) {
  console.error(error);
  for (const window of windows) {
    for (const sentence of window.trouble) console.error(`also: ${sentence}`);
    await window.picture("when-it-failed").catch(() => {});
  }
}
