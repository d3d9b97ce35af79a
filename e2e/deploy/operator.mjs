// Whoever operates a deployment: in AWS, and with the operator's command line.

import { Api } from "../local.mjs";
import { ops } from "../ops.mjs";
import { elements } from "./aws.mjs";

const USER = "operator";

/** The operator of a stack. `account` is what its user sees of AWS. */
export class Operator {
  #aws;
  #stack;
  #command;

  /** `environment` is that of the operator's shell, and says nothing of the stack yet. */
  static async hired(aws, stack, binaries, environment, { telnyxUrl, slackUrl }) {
    const operator = new Operator();
    operator.#aws = aws;
    operator.#stack = stack;
    const { outputs } = stack;
    const shell = {
      ...environment,
      ...(await operator.#allowed(outputs.OperatorPolicyArn)),
      TABLE_NAME: outputs.TableName,
      TELNYX_SECRET_ARN: outputs.TelnyxSecretArn,
      TELNYX_URL: telnyxUrl,
      SLACK_SECRET_ARN: outputs.SlackSecretArn,
      SLACK_URL: slackUrl,
      NOTIFICATIONS_QUEUE_URL: outputs.NotificationsQueueUrl,
      NOTIFICATIONS_DEAD_LETTER_QUEUE_URL: outputs.NotificationsDeadLetterQueueUrl,
    };
    operator.#command = (command) => ops(binaries, command, shell);
    return operator;
  }

  /** Makes a user of AWS who may do what the stack's policy says, and nothing else; answers the user's keys. */
  async #allowed(PolicyArn) {
    const ask = (action, more) => this.#aws.iam(action, { UserName: USER, ...more });
    await ask("CreateUser");
    await ask("AttachUserPolicy", { PolicyArn });
    const key = await ask("CreateAccessKey");
    const [[AWS_ACCESS_KEY_ID], [AWS_SECRET_ACCESS_KEY]] = [elements(key, "AccessKeyId"), elements(key, "SecretAccessKey")];
    this.account = this.#aws.as({ accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY });
    return { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY };
  }

  /** Runs a command of the operator's command line. */
  ops(...command) {
    return this.#command(command);
  }

  /** Lets an organization in, and answers the API as it sees it. */
  async admit(organization, name, credits) {
    await this.ops("orgs", "create", organization, "--name", name);
    await this.ops("credits", "grant", organization, credits, "--reference", "first-payment");
    const { apiKey } = await this.ops("keys", "issue", organization);
    return new Api(this.#stack.url, apiKey);
  }

  /** Gives a secret its value. */
  setSecret(output, value) {
    const body = { SecretId: this.#stack.outputs[output], SecretString: value };
    return this.#aws.json("secretsmanager", "secretsmanager.PutSecretValue", body);
  }

  /** Stops what runs by the clock, so that nothing gets in the way of what is looked at. */
  pauseSchedules() {
    return this.#schedules("DisableRule");
  }

  /** Lets it run again. */
  resumeSchedules() {
    return this.#schedules("EnableRule");
  }

  async #schedules(action) {
    for (const Name of this.#stack.named("AWS::Events::Rule")) {
      await this.#aws.json("events", `AWSEvents.${action}`, { Name });
    }
  }

  /** Makes the queue give up on a message after `most` tries, `seconds` apart. */
  async giveUpAfter(most, seconds) {
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

  /**
   * Puts every dead letter back into the queue, one by one: `ops dead-letters redrive` has SQS do it, with an action that
   * ministack does not have.
   */
  async redrive() {
    const QueueUrl = this.#stack.outputs.NotificationsDeadLetterQueueUrl;
    const { Messages } = await this.#queue("ReceiveMessage", { QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 30 });
    for (const { Body, ReceiptHandle } of Messages ?? []) {
      await this.notify(Body);
      await this.#queue("DeleteMessage", { QueueUrl, ReceiptHandle });
    }
  }

  #queue(action, body) {
    return this.#aws.json("sqs", `AmazonSQS.${action}`, body);
  }
}
