// Proves that the referee can say no: shows it messages that are wrong in one place each, and expects a word about
// every one of them. Prism passes what it cannot check without a word, so a check that is never seen to fail says
// nothing.

import { serve } from "../servers.mjs";

const WRONG = { unheard_of: true };

/** What the service behind Prism is in the proof: it answers whatever it is told to. */
export async function puppet() {
  const told = { status: 200, body: {} };
  const server = await serve((request, response) => {
    request.resume();
    response.writeHead(told.status, { "content-type": "application/json" }).end(JSON.stringify(told.body));
  });
  return { told, url: server.url, close: () => server.close() };
}

/**
 * Shows the referee the samples, which were all right, once as they are and then with one thing wrong at a time.
 * Answers how many wrong ones it was shown, and a sentence for each time it was mistaken.
 */
export async function prove(referee, puppet, samples) {
  const mistakes = [];
  let shown = 0;
  const judge = async ({ request, answer }) => {
    Object.assign(puppet.told, answer);
    const { method, path, search, authorization = "Bearer proof", body } = request;
    await fetch(`${referee.url}${path}${search}`, {
      method,
      headers: { "content-type": "application/json", ...(authorization && { authorization }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    }).then((response) => response.arrayBuffer());
    return referee.exchanges.at(-1).violations;
  };
  for (const { operation, request, answer } of samples) {
    const sample = { request: { ...request }, answer };
    for (const { message } of await judge(sample))
      mistakes.push(`${operation}: a right one was called wrong: ${message}`);
    for (const [what, wrong] of mistaken(sample)) {
      shown += 1;
      if ((await judge(wrong)).length === 0)
        mistakes.push(`${operation} ${answer.status}: nothing was said about ${what}`);
    }
  }
  return { shown, mistakes };
}

/** The sample with one thing wrong, for each thing that can be: what it is, and the wrong one. */
function* mistaken({ request, answer }) {
  for (const [place, body] of broken(answer.body))
    yield [`the answer's ${place}`, { request, answer: { ...answer, body } }];
  const asked = (changes) => ({ request: { ...request, ...changes }, answer });
  if (request.body) {
    for (const [place, body] of broken(request.body)) yield [`the request's ${place}`, asked({ body })];
    yield ["a missing body", asked({ body: undefined })];
  }
  const query = new URLSearchParams(request.search);
  yield ["an unknown parameter", asked({ search: `?${query}&unheard_of=1` })];
  yield ["an unknown filter", asked({ search: `?${query}&filter[unheard_of]=1` })];
  for (const [name, value] of [
    ["page[size]", "0"],
    ["filter[limit]", "many"],
    ["filter[features][]", "telepathy"],
    ["filter[phone_number_type]", "imaginary"],
  ]) {
    if (!query.has(name)) continue;
    const wrong = new URLSearchParams(query);
    wrong.set(name, value);
    yield [`${name}=${value}`, asked({ search: `?${wrong}` })];
  }
  yield ["a missing key", asked({ authorization: "" })];
  yield ["an unknown address", asked({ path: `/unheard_of${request.path}` })];
  yield ["an unknown status", { request, answer: { ...answer, status: 418 } }];
}

/** The body with one thing wrong, for each value and each object in it: where that is, and the wrong body. */
function* broken(body, place = "body") {
  if (Array.isArray(body)) {
    yield [place, WRONG];
    // The entries are alike.
    if (body.length > 0)
      for (const [at, entry] of broken(body[0], `${place}[0]`)) yield [at, [entry, ...body.slice(1)]];
  } else if (body !== null && typeof body === "object") {
    yield [`${place} with another field`, { ...body, ...WRONG }];
    for (const [name, value] of Object.entries(body)) {
      for (const [at, wrong] of broken(value, `${place}.${name}`)) yield [at, { ...body, [name]: wrong }];
    }
  } else {
    yield [place, WRONG];
  }
}
