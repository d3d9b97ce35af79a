// What the operator of a deployment does: lets organizations in, gives credits, decides verifications, looks after the
// dead letters.

import { Aws } from "./aws.mjs";

/** The operator of a stack. */
export class Operator {
  #aws;
  #stack;

  constructor(aws, stack) {
    this.#aws = aws;
    this.#stack = stack;
  }

  /** Lets the organizations of a local run in, as they are there. */
  async admit(local) {
    const source = new Aws(local.dynamoDbUrl);
    const { Items } = await source.json("dynamodb", "DynamoDB_20120810.Scan", { TableName: local.tableName });
    for (const Item of Items) await this.#table("PutItem", { Item });
    return Items.length;
  }

  /** Gives an organization the credits that another one has. */
  async grant(organization, { like }) {
    const Key = { PK: { S: `ORG#${like}` }, SK: { S: "CREDITS" } };
    const { Item } = await this.#table("GetItem", { Key });
    await this.#table("PutItem", { Item: { ...Item, PK: { S: `ORG#${organization}` } } });
  }

  /** Approves an organization's verification. */
  approve(organization, submission) {
    const now = new Date().toISOString();
    return this.#table("UpdateItem", {
      Key: { PK: { S: `ORG#${organization}` }, SK: { S: "KYB" } },
      ConditionExpression: "id = :id AND kybStatus = :submitted",
      UpdateExpression: "SET kybStatus = :approved, review = :review, updatedAt = :now ADD version :one",
      ExpressionAttributeValues: {
        ":id": { S: submission },
        ":submitted": { S: "submitted" },
        ":approved": { S: "approved" },
        ":review": { M: { at: { S: now }, reviewerId: { S: "e2e" } } },
        ":now": { S: now },
        ":one": { N: "1" },
      },
    });
  }

  /** Gives a secret its value. */
  setSecret(output, value) {
    const body = { SecretId: this.#stack.outputs[output], SecretString: value };
    return this.#aws.json("secretsmanager", "secretsmanager.PutSecretValue", body);
  }

  /** Stops what runs by the clock, so that nothing is settled but by hand. */
  async pauseSchedules() {
    const rules = this.#stack.named("AWS::Events::Rule");
    for (const Name of rules) await this.#aws.json("events", "AWSEvents.DisableRule", { Name });
  }

  /** Makes the queue give up on a message after `most` tries, `seconds` apart, so that nobody waits for minutes. */
  async hurry(most, seconds) {
    const QueueUrl = this.#stack.outputs.NotificationsQueueUrl;
    const { Attributes } = await this.#queue("GetQueueAttributes", { QueueUrl, AttributeNames: ["RedrivePolicy"] });
    const policy = { ...JSON.parse(Attributes.RedrivePolicy), maxReceiveCount: most };
    const changed = { VisibilityTimeout: String(seconds), RedrivePolicy: JSON.stringify(policy) };
    await this.#queue("SetQueueAttributes", { QueueUrl, Attributes: changed });
  }

  /** Puts a message of its own into the queue. */
  notify(MessageBody) {
    return this.#queue("SendMessage", { QueueUrl: this.#stack.outputs.NotificationsQueueUrl, MessageBody });
  }

  /** The texts of the dead letters, which stay where they are. */
  async deadLetters() {
    const letters = await this.#receive({ VisibilityTimeout: 0 });
    return letters.map(({ Body }) => Body);
  }

  /** Puts every dead letter back into the queue. */
  async redrive() {
    const QueueUrl = this.#stack.outputs.NotificationsDeadLetterQueueUrl;
    for (const { Body, ReceiptHandle } of await this.#receive({ VisibilityTimeout: 30 })) {
      await this.notify(Body);
      await this.#queue("DeleteMessage", { QueueUrl, ReceiptHandle });
    }
  }

  async #receive(more) {
    const QueueUrl = this.#stack.outputs.NotificationsDeadLetterQueueUrl;
    const { Messages } = await this.#queue("ReceiveMessage", { QueueUrl, MaxNumberOfMessages: 10, ...more });
    return Messages ?? [];
  }

  #queue(action, body) {
    return this.#aws.json("sqs", `AmazonSQS.${action}`, body);
  }

  #table(action, body) {
    const TableName = this.#stack.outputs.TableName;
    return this.#aws.json("dynamodb", `DynamoDB_20120810.${action}`, { TableName, ...body });
  }
}
