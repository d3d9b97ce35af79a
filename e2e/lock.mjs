// Fails unless a package-lock.json holds, for each package, the sum of its file, and no address of its own.
//
//   node e2e/lock.mjs e2e/package-lock.json
//
// `npm ci` compares the sums that are there, and installs what has none all the same.
import { readFileSync } from "node:fs";

const [path] = process.argv.slice(2);
const lock = JSON.parse(readFileSync(path, "utf8"));
if (lock.lockfileVersion !== 3) throw new Error(`${path}: its version is ${lock.lockfileVersion}, and not 3`);

const problems = [];
let count = 0;
for (const [place, entry] of Object.entries(lock.packages)) {
  // The list itself.
  if (place === "") continue;
  count += 1;
  if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(entry.integrity ?? "")) problems.push(`${place} has no integrity of sha512`);
  // Without an address npm asks its registry, by name and version; a version may be an address, too.
  if (!/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(entry.version ?? "")) problems.push(`${place} has no version: ${entry.version}`);
  if (entry.resolved !== undefined) problems.push(`${place} comes from ${entry.resolved}`);
  if (entry.link) problems.push(`${place} is a link`);
  // `npm ci` is called with --ignore-scripts.
  if (entry.hasInstallScript) problems.push(`${place} asks for a script to install it, which is not run`);
}
if (count === 0) problems.push("it names no package");

if (problems.length > 0) {
  for (const problem of problems) console.error(`error: ${path}: ${problem}`);
  process.exit(1);
}
console.log(`${path}: ${count} packages, each from npm's registry and with its sum`);
