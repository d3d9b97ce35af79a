// The local run: `cargo run`'s process with everything that stands in for the services outside.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

// How long an answer may take, in milliseconds: longer than API Gateway would wait.
const PATIENCE = 40_000;

const CONNECTION = "1494404757140276705";

/**
 * Starts one in a folder of its own under `work`, on a free port unless one is given, and answers what it writes down of
 * itself.
 */
export async function startLocal(processes, binaries, work, name, { port = 0, more = [] } = {}) {
  const ready = join(work, `${name}.json`);
  const args = ["--listen", `127.0.0.1:${port}`, "--data", join(work, name), "--ready-file", ready, ...more];
  const started = processes.start(name, join(binaries, "local"), args);
  const read = () => readFile(ready, "utf8").catch(() => undefined);
  return JSON.parse(await processes.until(started, "it was ready", read));
}

/** The secret that the sandbox carrier wants to see, with a connection to route bought numbers to. */
export function carrierSecret() {
  return JSON.stringify({ apiKey: "sandbox", connectionId: CONNECTION });
}

/** The service's API, as one organization sees it. */
export class Api {
  #url;
  #key;

  constructor(url, key) {
    this.#url = url;
    this.#key = key;
  }

  get key() {
    return this.#key;
  }

  async call(method, path, body, more = {}) {
    const response = await fetch(`${this.#url}/v1/phone-numbers${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#key}`, "content-type": "application/json", ...more },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  }

  buy(digits) {
    return this.call("POST", "", { e164: `+1415555${digits}` });
  }
}
