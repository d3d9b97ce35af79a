// Small HTTP servers on free ports of this machine.

import { createServer } from "node:http";

/** Serves with `handle(request, response)`; its `url` says where. */
export async function serve(handle) {
  const server = createServer((request, response) => {
    Promise.resolve(handle(request, response)).catch((error) => {
      console.error(error);
      response.destroy();
    });
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address();
  return {
    url: `http://127.0.0.1:${port}`,
    host: `127.0.0.1:${port}`,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A port that nobody listens on, for a program that cannot look for one itself. */
export async function freePort() {
  const server = await serve(() => {});
  await server.close();
  return new URL(server.url).port;
}

/** A message's whole body, as bytes. */
export async function bytes(message) {
  const chunks = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A body as JSON; `undefined` where it is none. */
export function json(body) {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}
