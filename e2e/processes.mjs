// Processes that a step starts, and ends again whatever happens.

import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

// How long a process may take until it answers, until it is done by itself, and until it has ended when it is told to, in
// milliseconds.
const START_LIMIT = 60_000;
const WORK_LIMIT = 300_000;
const STOP_LIMIT = 10_000;

/** The processes of one step. */
export class Processes {
  #children = [];
  #logs;
  #stopping = false;

  /** `logs` is the folder for what they say. */
  constructor(logs) {
    this.#logs = logs;
  }

  /** Starts one. Its `log` names the file with everything it says. */
  start(name, command, args, environment = process.env) {
    if (this.#stopping) throw new Error(`${name} is not started any more`);
    const log = join(this.#logs, `${name}.log`);
    const output = createWriteStream(log);
    const child = spawn(command, args, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
    const started = { name, log, child, ended: false, text: "" };
    started.end = new Promise((resolve) => child.once("close", resolve).once("error", resolve));
    child.stdout.setEncoding("utf8").on("data", (text) => (started.text += text));
    child.stdout.pipe(output, { end: false });
    child.stderr.pipe(output, { end: false });
    child.once("close", () => {
      started.ended = true;
      output.end();
    });
    child.once("error", (error) => {
      started.ended = true;
      output.end(`${error}\n`);
    });
    this.#children.push(started);
    return started;
  }

  /** What `look` finds, as soon as it finds something; an error when the process ends or takes too long. */
  async until(started, what, look) {
    const deadline = Date.now() + START_LIMIT;
    for (;;) {
      const found = await look(started.text);
      if (found) return found;
      if (started.ended || Date.now() > deadline) {
        const trouble = started.ended ? "ended" : "took too long";
        throw new Error(`${started.name} ${trouble} before ${what}; it said:\n${await tail(started.log)}`);
      }
      await pause(50);
    }
  }

  /** Waits until one has ended well; an error with what it said last when it has not. */
  async finish(started) {
    const late = setTimeout(() => started.child.kill("SIGTERM"), WORK_LIMIT);
    const status = await started.end;
    clearTimeout(late);
    if (status !== 0) throw new Error(`${started.name} failed (${status}); it said:\n${await tail(started.log)}`);
  }

  /** Ends all of them, the latest first, and waits for it. */
  async stop() {
    this.#stopping = true;
    for (const { child, ...started } of this.#children.reverse()) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      const gone = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGTERM");
      const late = setTimeout(() => {
        console.error(`${started.name} does not stop, so it is killed`);
        child.kill("SIGKILL");
      }, STOP_LIMIT);
      await gone;
      clearTimeout(late);
    }
    this.#children = [];
  }
}

/** The last lines of a log. */
export async function tail(log) {
  return (await readFile(log, "utf8")).trimEnd().split("\n").slice(-30).join("\n");
}
