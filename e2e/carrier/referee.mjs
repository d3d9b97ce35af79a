// Stands between the service and Prism: passes everything on, and writes down what passed and what Prism says of it.

import { Agent, request as send } from "node:http";

import { bytes, json, serve } from "../servers.mjs";
import { excusedField } from "./excuses.mjs";

// The service calls the carrier below its base path; Prism wants the description's paths.
const BASE = "/v2";
// Only on the way to itself: answers are passed on without it.
const VERDICT = "sl-violations";
// How the service's client of the carrier names itself.
const CLIENT = "phone-numbers/";

/** A proxy in front of a Prism. */
export class Referee {
  /** Everything that has passed, oldest first. */
  exchanges = [];
  #description;
  #prism;
  #agent = new Agent({ keepAlive: true });
  #server;

  static async start(description, prism) {
    const referee = new Referee();
    referee.#description = description;
    referee.#prism = new URL(prism);
    referee.#server = await serve((request, response) => referee.#pass(request, response));
    referee.url = `${referee.#server.url}${BASE}`;
    return referee;
  }

  async close() {
    await this.#server.close();
    this.#agent.destroy();
  }

  async #pass(request, response) {
    const { pathname, search, searchParams } = new URL(request.url, "http://referee");
    const path = pathname.startsWith(`${BASE}/`) ? pathname.slice(BASE.length) : pathname;
    const sent = await bytes(request);
    const operation = this.#description.operation(request.method, path);
    const body = json(sent);
    const exchange = {
      operation: operation?.name ?? `${request.method} ${path}`,
      ours: request.headers["user-agent"]?.startsWith(CLIENT) ?? false,
      request: { method: request.method, path, search, headers: request.headers, body },
      names: body ? Object.keys(body) : [...searchParams.keys()],
      answer: undefined,
      violations: operation?.queryTrouble(searchParams).map(inQuery) ?? [],
      excused: [],
      general: false,
    };
    // Before the answer: an order whose answer never comes was sent, too.
    this.exchanges.push(exchange);
    const answer = await this.#ask(request, `${path}${search}`, sent);
    if (answer === undefined) {
      response.destroy();
      return;
    }
    const { [VERDICT]: verdict, ...headers } = answer.headers;
    exchange.answer = { status: answer.statusCode, body: json(answer.body) };
    exchange.general = operation !== undefined && !operation.names(answer.statusCode);
    for (const violation of verdicts(verdict, answer)) {
      const field = excusedField(violation, exchange);
      if (field) exchange.excused.push(field);
      else exchange.violations.push(violation);
    }
    for (const name of ["connection", "keep-alive", "transfer-encoding", "content-length"]) delete headers[name];
    response.writeHead(answer.statusCode, headers).end(answer.body);
  }

  /** Prism's answer; `undefined` when there is none. */
  #ask(request, path, body) {
    const { host, ...headers } = request.headers;
    const { hostname, port } = this.#prism;
    return new Promise((resolve) => {
      const asked = send({ hostname, port, path, method: request.method, headers, agent: this.#agent }, (answer) => {
        bytes(answer).then(
          (body) => resolve({ statusCode: answer.statusCode, headers: answer.headers, body }),
          () => resolve(undefined),
        );
      });
      asked.once("error", () => resolve(undefined));
      asked.end(body);
    });
  }
}

function inQuery(message) {
  return { location: ["request", "query"], code: "described", message };
}

/** What Prism has to say about an exchange. */
function verdicts(header, answer) {
  // Its own errors: it could not read the request, or not reach the other side.
  const own = answer.headers["content-type"] === "application/problem+json";
  const trouble = own ? [{ location: ["prism"], code: "problem", message: answer.body.toString("utf8") }] : [];
  if (header === undefined) return trouble;
  const list = json(Buffer.from(header, "latin1"));
  // A list that is too long for a header is cut off.
  return trouble.concat(list ?? [{ location: ["prism"], code: "many", message: header }]);
}
