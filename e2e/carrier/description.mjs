// The carrier's description: read, made strict, asked.

const METHODS = ["get", "post", "put", "patch", "delete"];

// Answers that the carrier's documentation of errors names for all operations together, not the description for each:
// no money, a duplicate, too many requests, down, too late. They have the form of the other errors.
const GENERAL_ERRORS = ["402", "409", "429", "503", "504"];
const MODEL_ERROR = "422";

/** A description of an HTTP interface in OpenAPI 3. */
export class Description {
  #document;
  #operations;

  constructor(document) {
    this.#document = document;
    this.#operations = Object.entries(document.paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]).map((method) => new Operation(document, method, path, item)),
    );
    // An address without parameters means itself, not a value of a parameter.
    this.#operations.sort((one, other) => one.variables - other.variables);
  }

  /** The operation that a request is for. */
  operation(method, path) {
    return this.#operations.find((operation) => operation.serves(method, path));
  }

  /**
   * The same description as a document that also rejects fields it does not know, so that a misspelt one is noticed,
   * and that describes the general errors for each operation, so that their form is checked too.
   */
  strict() {
    const document = closed(this.#document);
    for (const { path, method } of this.#operations) {
      const { responses } = document.paths[path][method];
      const model = responses[MODEL_ERROR];
      if (model === undefined) continue;
      for (const status of GENERAL_ERRORS) responses[status] ??= model;
    }
    return document;
  }
}

class Operation {
  #document;
  #pattern;
  #parameters;
  #statuses;

  constructor(document, method, path, item) {
    this.#document = document;
    this.method = method;
    this.path = path;
    this.name = `${method.toUpperCase()} ${path}`;
    this.variables = path.split("{").length - 1;
    const literal = path.split(/\{[^}]*\}/).map((part) => part.replace(/[.*+?^$()|[\]\\]/g, "\\$&"));
    this.#pattern = new RegExp(`^${literal.join("[^/]+")}$`);
    const parameters = [...(item.parameters ?? []), ...(item[method].parameters ?? [])];
    this.#parameters = parameters
      .map((parameter) => resolved(document, parameter))
      .filter(({ in: place }) => place === "query");
    this.#statuses = Object.keys(item[method].responses);
  }

  serves(method, path) {
    return this.method === method.toLowerCase() && this.#pattern.test(path);
  }

  /** Whether the description names the status for this operation. */
  names(status) {
    return this.#statuses.some((known) => known === "default" || known.replaceAll("X", "\\d") === String(status));
  }

  /**
   * What is wrong with a query: a list of sentences. Prism looks up what the description knows in a query and never
   * meets what it does not know, and it does not see lists written as `name[]`. The carrier ignores unknown filters
   * and answers everything, so just these matter.
   */
  queryTrouble(query) {
    return [...query].flatMap(([name, value]) => {
      const [, root, rest] = /^([^[\]]+)((?:\[[^[\]]*\])*)$/.exec(name) ?? [];
      const parameter = this.#parameters.find((parameter) => parameter.name === root);
      if (!parameter) return [`${name} is not described`];
      let schema = resolved(this.#document, parameter.schema);
      for (const [, part] of rest.matchAll(/\[([^\]]*)\]/g)) {
        schema = resolved(
          this.#document,
          schema.type === "array" && part === "" ? schema.items : schema.properties?.[part],
        );
        if (!schema) return [`${name} is not described`];
      }
      return fits(schema, value) ? [] : [`${name} cannot be '${value}'`];
    });
  }
}

/** Whether a value of a query, which is text, can stand for the schema. */
function fits(schema, text) {
  if (schema.oneOf) return schema.oneOf.some((schema) => fits(schema, text));
  if (schema.enum && !schema.enum.map(String).includes(text)) return false;
  switch (schema.type) {
    case "object":
    case "array":
      return false;
    case "integer":
      return /^-?\d+$/.test(text);
    case "boolean":
      return text === "true" || text === "false";
    default:
      return true;
  }
}

function resolved(document, thing) {
  const reference = thing?.$ref;
  if (reference === undefined) return thing;
  const target = reference
    .slice("#/".length)
    .split("/")
    .reduce((place, part) => place[part], document);
  return resolved(document, target);
}

// What holds no schemas, but may look like one.
const NO_SCHEMAS = ["example", "examples", "default", "enum", "const"];

/** A copy in which objects have no other fields than the described ones. */
function closed(thing) {
  if (Array.isArray(thing)) return thing.map(closed);
  if (thing === null || typeof thing !== "object") return thing;
  const copy = Object.fromEntries(
    Object.entries(thing).map(([name, part]) => [name, NO_SCHEMAS.includes(name) ? part : closed(part)]),
  );
  const open = copy.type === "object" && copy.properties && copy.additionalProperties === undefined;
  return open ? { ...copy, additionalProperties: false } : copy;
}
