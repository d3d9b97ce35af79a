// The bundle's stack, deployed by the SAM CLI.

import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

import { elements } from "./aws.mjs";

const STACK = "e2e";
const CLOUDFORMATION = ["cloudformation", "2010-05-15"];

/** A stack, with its outputs and what its resources are really called. */
export class Stack {
  #aws;
  #api;
  #deployments = 0;
  #sam;

  /** `sam` runs the SAM CLI: a function of a name for its log and of its arguments. */
  constructor(aws, sam) {
    this.#aws = aws;
    this.#sam = sam;
  }

  /** Deploys a template as samconfig.toml says, but without asking: makes the stack, or changes the one that is there. */
  async deploy(template, parameters) {
    const overrides = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
    const args = ["deploy", "--template-file", template, "--config-file", resolve("samconfig.toml")];
    args.push("--stack-name", STACK, "--no-confirm-changeset", "--parameter-overrides", ...overrides);
    this.#deployments += 1;
    await this.#sam(`sam-deploy-${this.#deployments}`, args);
    await this.#look();
  }

  async #look() {
    const [service, version] = CLOUDFORMATION;
    const ask = (action, more) => this.#aws.query(service, action, version, { StackName: STACK, ...more });
    const [stacks, resources, template] = await Promise.all([
      ask("DescribeStacks"),
      ask("DescribeStackResources"),
      ask("GetTemplate", { TemplateStage: "Processed" }),
    ]);
    this.outputs = pairs(stacks, "OutputKey", "OutputValue");
    this.resources = pairs(resources, "LogicalResourceId", "PhysicalResourceId");
    this.template = JSON.parse(elements(template, "TemplateBody")[0]);
    [this.#api] = this.#ids("AWS::ApiGatewayV2::Api");
  }

  #ids(type) {
    return Object.entries(this.template.Resources).flatMap(([id, resource]) => (resource.Type === type ? [id] : []));
  }

  /** What the resources of a type are really called. */
  named(type) {
    return this.#ids(type).map((id) => this.resources[id]);
  }

  /** Where ministack serves the API. */
  get url() {
    return `${this.#aws.url}/_aws/execute-api/${this.resources[this.#api]}/$default`;
  }

  /**
   * Makes the routes that the template asks for. API Gateway takes them from the OpenAPI document into which SAM has
   * turned the functions' events; ministack takes no notice of that document.
   */
  async route() {
    const routes = Object.entries(this.template.Resources[this.#api].Properties.Body.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        key: routeKey(path, method),
        integration: operation["x-amazon-apigateway-integration"],
      })),
    );
    const api = `/v2/apis/${this.resources[this.#api]}`;
    for (const { key, integration } of routes) {
      const [, name] = /\$\{(\w+)\.Arn\}/.exec(integration.uri["Fn::Sub"]);
      const { integrationId } = await this.#aws.rest("apigateway", "POST", `${api}/integrations`, {
        integrationType: integration.type.toUpperCase(),
        integrationMethod: integration.httpMethod,
        integrationUri: await this.#arn(name),
        payloadFormatVersion: integration.payloadFormatVersion,
      });
      const target = `integrations/${integrationId}`;
      await this.#aws.rest("apigateway", "POST", `${api}/routes`, { routeKey: key, target });
    }
    return routes.map(({ key }) => key);
  }

  async #arn(name) {
    const path = `/2015-03-31/functions/${this.resources[name]}`;
    return (await this.#aws.rest("lambda", "GET", path)).Configuration.FunctionArn;
  }

  /** Takes the template's own policies from a role, and answers their names. */
  async disarm(role) {
    const RoleName = this.resources[role];
    const ask = (action, more) => this.#aws.iam(action, { RoleName, ...more });
    const names = elements(await ask("ListRolePolicies"), "member");
    for (const PolicyName of names) await ask("DeleteRolePolicy", { PolicyName });
    return names;
  }

  /** Moves a number's purchase to the beginning of the last month, so that its next month began with this one. */
  async outdate(organization, id) {
    const [TableName, now] = [this.outputs.TableName, new Date()];
    const first = (months) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months)).toISOString();
    const [createdAt, dueAt] = [first(-1), first(0)];
    const values = { ":created": createdAt, ":due": dueAt, ":work": `${dueAt}#${id}` };
    await this.#aws.json("dynamodb", "DynamoDB_20120810.UpdateItem", {
      TableName,
      Key: { PK: { S: `ORG#${organization}` }, SK: { S: `NUMBER#${id}` } },
      UpdateExpression: "SET createdAt = :created, nextChargeAt = :due, workDue = :work",
      ExpressionAttributeValues: Object.fromEntries(Object.entries(values).map(([name, S]) => [name, { S }])),
    });
    return dueAt;
  }

  /** Has somebody call a function with an event, and answers what it answers. */
  invoke(name, event, aws = this.#aws) {
    return aws.rest("lambda", "POST", `/2015-03-31/functions/${this.resources[name]}/invocations`, event);
  }
}

/**
 * Writes what `sam build` has left in `built` once more beside it, as ministack understands it. Answers the file, and the
 * names that it leaves out: ministack has no alarms on metrics that are calculated from others. And a `Ref` to a secret is
 * the secret's ARN, as its attribute `Id` is; to ministack only the latter is. To AWS, who may send a message may send a batch of
 * them; ministack asks for a permission that AWS does not have. AWS says which partitions a call is about; ministack does not, so
 * conditions that ask for them are left out.
 */
export async function adapted({ parseDocument, visit }, built) {
  const template = parseDocument(await readFile(join(built, "template.yaml"), "utf8"), { logLevel: "silent" });
  const resources = template.get("Resources").items.map(({ key, value }) => [String(key), value]);
  const names = resources.flatMap(([name, resource]) => (resource.hasIn(["Properties", "Metrics"]) ? [name] : []));
  for (const name of names) template.deleteIn(["Resources", name]);
  const secrets = resources.flatMap(([name, resource]) =>
    resource.get("Type") === "AWS::SecretsManager::Secret" ? [name] : [],
  );
  visit(template, {
    Pair(_, { key, value }) {
      if (key?.value === "Condition" && value.has?.("ForAllValues:StringLike")) return visit.REMOVE;
      const actions = key?.value === "Action" ? (value.items?.map((item) => item.value) ?? [value.value]) : [];
      if (!actions.includes("sqs:SendMessage") || actions.includes("sqs:SendMessageBatch")) return undefined;
      return template.createPair(key.value, [...actions, "sqs:SendMessageBatch"]);
    },
    Map(_, map) {
      const name = map.get("Ref");
      return secrets.includes(name) ? template.createNode({ "Fn::GetAtt": [name, "Id"] }) : undefined;
    },
  });
  const file = join(built, "adapted.yaml");
  await writeFile(file, String(template));
  return { file, names };
}

function routeKey(path, method) {
  if (path === "$default") return path;
  return `${method === "x-amazon-apigateway-any-method" ? "ANY" : method.toUpperCase()} ${path}`;
}

function pairs(xml, name, value) {
  const values = elements(xml, value);
  return Object.fromEntries(elements(xml, name).map((key, index) => [key, values[index]]));
}
