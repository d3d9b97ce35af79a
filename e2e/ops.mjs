// The operator's command line.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

// How long one command may take, in milliseconds.
const LIMIT = 60_000;

/** Runs one command, and answers the JSON that it prints; an error with what it said when it fails. */
export async function ops(binaries, command, env = process.env) {
  const args = ["--json", "--yes", ...command];
  const { stdout } = await run(join(binaries, "ops"), args, { env, timeout: LIMIT }).catch((error) => {
    throw new Error(`ops ${command.join(" ")}: ${error.stderr || error.message}`);
  });
  return stdout.trim() && JSON.parse(stdout);
}
