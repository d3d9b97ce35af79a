// A function's built binary, run as Lambda runs it: a process that asks the Runtime API for events.
// Source: AWS Lambda runtime API, version 2018-06-01.

import { randomUUID } from "node:crypto";

import { bytes, json, serve } from "./servers.mjs";

const VERSION = "/2018-06-01/runtime";
// Longer than any function may take, in milliseconds.
const TIME_OUT = 90_000;

/** The binary, waiting for events. */
export class Lambda {
  #waiting = [];
  #events = [];
  #calls = new Map();
  #api;

  /** Starts `binary` with nothing but `environment`. */
  static async start(processes, name, binary, environment) {
    const lambda = new Lambda();
    lambda.#api = await serve((request, response) => lambda.#serve(request, response));
    processes.start(name, binary, [], {
      AWS_LAMBDA_RUNTIME_API: lambda.#api.host,
      AWS_LAMBDA_FUNCTION_NAME: name,
      AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "256",
      AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
      AWS_LAMBDA_LOG_STREAM_NAME: name,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
      ...environment,
    });
    return lambda;
  }

  /** Hands an event over and waits for the answer. */
  invoke(event) {
    const id = randomUUID();
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error("a function has not answered in time")), TIME_OUT);
      const settle = (end) => (value) => {
        clearTimeout(late);
        end(value);
      };
      this.#calls.set(id, { resolve: settle(resolve), reject: settle(reject) });
      this.#events.push({ id, event });
      this.#hand();
    });
  }

  close() {
    return this.#api.close();
  }

  async #serve(request, response) {
    const path = request.url.slice(VERSION.length);
    if (path === "/invocation/next") {
      this.#waiting.push(response);
      this.#hand();
      return;
    }
    const answer = json(await bytes(request));
    response.writeHead(202).end();
    const [, id, outcome] = /^\/invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
    if (outcome === "response") this.#calls.get(id).resolve(answer);
    else if (outcome === "error") this.#calls.get(id).reject(new Error(`a function failed: ${JSON.stringify(answer)}`));
    else console.error(`a function does not start: ${JSON.stringify(answer)}`);
  }

  #hand() {
    while (this.#waiting.length > 0 && this.#events.length > 0) {
      const { id, event } = this.#events.shift();
      const head = {
        "content-type": "application/json",
        "lambda-runtime-aws-request-id": id,
        "lambda-runtime-deadline-ms": String(Date.now() + TIME_OUT),
        "lambda-runtime-invoked-function-arn": "arn:aws:lambda:us-east-1:123456789012:function:e2e",
        "lambda-runtime-trace-id": "Root=1-00000000-000000000000000000000000",
      };
      this.#waiting.shift().writeHead(200, head).end(JSON.stringify(event));
    }
  }
}

/** A request to the API as API Gateway hands it over. */
export function httpEvent(method, path, key, body) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: path,
    rawQueryString: "",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", host: "api.example.com" },
    requestContext: {
      accountId: "123456789012",
      apiId: "e2e",
      domainName: "api.example.com",
      domainPrefix: "api",
      http: { method, path, protocol: "HTTP/1.1", sourceIp: "203.0.113.10", userAgent: "e2e" },
      requestId: randomUUID(),
      routeKey: "$default",
      stage: "$default",
      time: "10/Mar/2026:05:16:02 +0000",
      timeEpoch: 1773119762220,
    },
    body: text,
    isBase64Encoded: false,
  };
}
