// The calls to AWS that an operator would make, in the wire formats that AWS publishes.

import { webcrypto } from "node:crypto";

const REGION = "us-east-1";
// Longer than any function may take for an answer that is waited for, in milliseconds.
const PATIENCE = 60_000;

// What signs. Node.js 18 has it under another name.
globalThis.crypto ??= webcrypto;

/** One account, as one of its users sees it. */
export class Aws {
  #AwsClient;
  #url;
  #signer;

  /** `AwsClient` is aws4fetch's; `keys` are the user's access key and its secret. */
  constructor(AwsClient, url, keys) {
    this.#AwsClient = AwsClient;
    this.#url = url;
    // Nothing is sent twice: a failure is to be seen.
    this.#signer = new AwsClient({ ...keys, region: REGION, retries: 0 });
  }

  get url() {
    return this.#url;
  }

  /** The same account, as another user sees it. */
  as(keys) {
    return new Aws(this.#AwsClient, this.#url, keys);
  }

  /** IAM. */
  iam(action, parameters) {
    return this.query("iam", action, "2010-05-08", parameters);
  }

  /** A service with the JSON protocol; `target` is its name there and the action, such as `AmazonSQS.SendMessage`. */
  json(service, target, body) {
    const headers = { "content-type": "application/x-amz-json-1.0", "x-amz-target": target };
    return this.#call(service, "POST", "/", headers, JSON.stringify(body)).then((text) => text && JSON.parse(text));
  }

  /** A service with the REST protocol. */
  async rest(service, method, path, body) {
    const headers = { "content-type": "application/json" };
    const answer = await this.#call(service, method, path, headers, body && JSON.stringify(body));
    return answer && JSON.parse(answer);
  }

  /** A service with the query protocol, which answers XML. */
  query(service, Action, Version, parameters) {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    return this.#call(service, "POST", "/", headers, String(new URLSearchParams({ Action, Version, ...parameters })));
  }

  async #call(service, method, path, headers, body) {
    const signal = AbortSignal.timeout(PATIENCE);
    const response = await this.#signer.fetch(this.#url + path, { method, headers, body, signal, aws: { service } });
    const answer = await response.text();
    const what = headers["x-amz-target"] ?? `${service} ${method} ${path}`;
    if (!response.ok) throw new Error(`${what} answered ${response.status}: ${answer}`);
    const failed = response.headers.get("x-amz-function-error");
    if (failed) throw new Error(`${what} failed (${failed}): ${answer}`);
    return answer;
  }
}

/** The text of the elements `name` of an answer in XML. */
export function elements(xml, name) {
  const found = xml.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, "gs"));
  return [...found].map(([, text]) => unescaped(text));
}

function unescaped(text) {
  const characters = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (_, hex, decimal, name) =>
    name ? characters[name] : String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(decimal)),
  );
}
