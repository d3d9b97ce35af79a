// Two reviewers decide about three businesses. Every check stands on the ones before it, so the first that fails ends
// the step.

import assert from "node:assert/strict";

import { Api } from "../local.mjs";
import { declaration, hostile, profile } from "./forms.mjs";

const ROBIN = "U0ROBIN";
const SAM = "U0SAM";
const FRESH = "Fresh Start LLC";
const THIRD = "Third Time Inc";
const REASON = "The website shows <another> business & *no* address.\nPlease say which one is yours.";

/** Does all of it; `check` prints a line for each thing that is looked at. */
export async function review({ service, ready, ops, open, trap, check }) {
  const robin = await open("robin");
  const sam = await open("sam");
  await sam.sit("Sam");
  const stage = { service, ready, ops, robin, sam, trap, check };
  await approval(stage);
  await rejection(stage);
  await operatorFirst(stage);
  await phone(stage, open);
  await quiet([robin, sam], service, trap, check);
  await awake(open, trap, check);
}

/** An organization of its own, as the operator makes one. */
async function customer({ service, ready, ops }, id) {
  await ops(ready, "orgs", "create", id, "--name", id);
  const { apiKey } = await ops(ready, "keys", "issue", id);
  return new Api(service.baseUrl, apiKey);
}

async function submit(api, form) {
  const { status, body } = await api.call("POST", "/kyb/submit", form);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

async function overview(api) {
  const { status, body } = await api.call("GET", "/kyb");
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

const undecided = async (api) => assert.equal((await overview(api)).status, "submitted");
const closed = (window) => window.form.waitFor({ state: "hidden" });

/** The message has no button left that decides. */
async function decided(window, business) {
  const buttons = window.message(business).getByRole("button", { name: /Approve|Reject/ });
  assert.equal(await buttons.count(), 0);
}

async function approval({ service, robin, sam, check }) {
  const key = service.organizations.find(({ name }) => name === "new").apiKey;
  const api = new Api(service.baseUrl, key);

  await check("a page without messages says how to get one", async () => {
    await robin.page.getByRole("heading", { name: "No messages yet" }).waitFor();
    await robin.picture("1-empty");
  });
  await check("a submission appears by itself, with both buttons", async () => {
    await submit(api, profile({}));
    await robin.button(FRESH, "Approve").waitFor();
    await robin.button(FRESH, "Reject…").waitFor();
    assert.match(await robin.page.title(), /^\(1\)/);
    await robin.picture("2-submitted");
  });
  await check("'Reject…' opens a form with the cursor in its reason", async () => {
    await sam.button(FRESH, "Reject…").click();
    await sam.form.getByLabel("Reason").and(sam.page.locator(":focus")).waitFor();
    await sam.picture("1-form");
  });
  await check("Cancel, and the Escape key, close the form, and nothing is decided", async () => {
    await sam.form.getByRole("button", { name: "Cancel" }).click();
    await closed(sam);
    await sam.button(FRESH, "Reject…").click();
    await sam.form.getByLabel("Reason").fill("Not yet");
    await sam.page.keyboard.press("Escape");
    await closed(sam);
    await undecided(api);
  });
  await check("'Approve' rewrites the message in its place and takes the buttons away", async () => {
    await sam.button(FRESH, "Reject…").click();
    await sam.form.getByLabel("Reason").fill("Too late, as it turns out");
    await robin.button(FRESH, "Approve").click();
    await robin.message(FRESH, "Approved by @Robin").waitFor();
    await decided(robin, FRESH);
    assert.equal(await robin.page.getByRole("article").count(), 1);
    await robin.picture("3-approved");
  });
  await check("the approval stands, with its reviewer", async () => {
    const { status, submission } = await overview(api);
    assert.deepEqual([status, submission.reviewerUserId], ["approved", ROBIN]);
  });
  await check("the other reviewer sees it happen, with the form still open", async () => {
    await sam.message(FRESH, "Approved by @Robin").waitFor();
    assert.equal(await sam.form.getByLabel("Reason").inputValue(), "Too late, as it turns out");
  });
  await check("who rejects too late is told who was first, and the approval stands", async () => {
    await sam.form.getByRole("button", { name: "Reject", exact: true }).click();
    await sam.form.getByRole("heading", { name: "Not rejected" }).waitFor();
    assert.match(await sam.form.innerText(), /decided already\. Approved by @Robin/);
    await sam.picture("2-too-late");
    await sam.form.getByRole("button", { name: "Close" }).click();
    await closed(sam);
    assert.equal((await overview(api)).status, "approved");
  });
}

async function rejection(stage) {
  const { robin, sam, trap, check } = stage;
  const api = await customer(stage, "org_mal");
  const { name, useCase, expectedUsage, form } = hostile(trap.url);

  await check("a second organization's submission comes below the first", async () => {
    await submit(api, form);
    await sam.button(name, "Reject…").waitFor();
    await robin.button(name, "Reject…").waitFor();
    const articles = await robin.page.getByRole("article").allInnerTexts();
    assert.deepEqual(articles.map((text) => text.includes(FRESH)), [true, false]);
  });
  await check("mark-up, mentions, links and scripts of a customer are shown as the text that they are", async () => {
    await robin.picture("4-hostile", robin.message(name));
    for (const text of [name, useCase, expectedUsage]) await shownAsText(robin.message(name), text);
    for (const window of [robin, sam]) await onlyText(window, name, 0);
  });
  await check("a long answer is folded, and unfolds", async () => {
    const message = robin.message(name);
    const long = message.locator(".text", { hasText: "As many calls" });
    const folded = (await long.boundingBox()).height;
    await message.getByRole("button", { name: "Show more" }).click();
    await message.getByRole("button", { name: "Show less" }).waitFor();
    const whole = (await long.boundingBox()).height;
    assert.ok(whole > folded * 1.05, `${folded} px high, then ${whole}`);
    await robin.picture("5-unfolded");
  });
  await check("a rejection without a reason is held back, and the form says why", async () => {
    await sam.button(name, "Reject…").click();
    await sam.form.getByText(name, { exact: true }).waitFor();
    const asked = sam.requests.length;
    await sam.form.getByRole("button", { name: "Reject", exact: true }).click();
    await sam.form.getByRole("alert").filter({ hasText: "Please complete this required field." }).waitFor();
    await sam.picture("3-no-reason");
    assert.ok(sam.requests.slice(asked).every((url) => !url.endsWith("/submit")), "nothing was sent");
    await undecided(api);
  });
  await check("a blank reason is refused by the service, and the form says so", async () => {
    await sam.form.getByLabel("Reason").fill("   ");
    await sam.form.getByRole("button", { name: "Reject", exact: true }).click();
    await sam.form.getByRole("alert").filter({ hasText: "must not be blank" }).waitFor();
    await undecided(api);
  });
  const release = await robin.hold("messages");
  await check("a reason rejects: the form closes and the message says who, why and what to correct", async () => {
    await sam.form.getByLabel("Reason").fill(REASON);
    await sam.form.getByLabel("Website").check();
    await sam.picture("4-reason");
    await sam.form.getByRole("button", { name: "Reject", exact: true }).click();
    await closed(sam);
    const message = sam.message(name, "Rejected by @Sam");
    await message.waitFor();
    await decided(sam, name);
    await shownAsText(message, REASON);
    await onlyText(sam, name, 1);
    await sam.picture("5-rejected", message);
  });
  await check("GET /v1/phone-numbers/kyb shows the rejection with its reason", async () => {
    const { status, submission } = await overview(api);
    assert.deepEqual([status, submission.rejectionReason, submission.reviewerUserId], ["rejected", REASON, SAM]);
    assert.deepEqual(submission.rejectionIssues.map(({ path }) => path), ["businessProfile.website"]);
  });
  await check("a click on a page that has not heard of it yet decides nothing and is answered", async () => {
    await robin.button(name, "Approve").click();
    await release();
    await robin.note("There is no such button any more").waitFor();
    await robin.message(name, "Rejected by @Sam").waitFor();
    assert.equal((await overview(api)).status, "rejected");
    await robin.picture("6-not-heard", robin.note("There is no such button any more"));
  });
}

/** Decided at the command line, with nothing but the table at hand: Slack's message still has its buttons. */
async function operatorFirst(stage) {
  const { service, ops, robin, sam, check } = stage;
  const api = await customer(stage, "org_third");
  const { organizationId, id } = await submit(api, declaration(THIRD));
  await robin.button(THIRD, "Approve").waitFor();
  await sam.button(THIRD, "Approve").waitFor();
  const reason = ["--reason", "Told by telephone"];
  await ops(service.dynamoDbUrl, "--as", "olivia", "verifications", "reject", organizationId, id, ...reason);

  await check("who clicks after the operator's decision is told of it, and the message says it too", async () => {
    await robin.button(THIRD, "Approve").click();
    await robin.note("decided already. Rejected by olivia").waitFor();
    await robin.message(THIRD, "Told by telephone").waitFor();
    await decided(robin, THIRD);
    await robin.picture("7-operator-first", robin.message(THIRD));
    assert.equal((await overview(api)).status, "rejected");
  });
  await check("nobody else is told", async () => {
    await sam.message(THIRD, "Rejected by olivia").waitFor();
    assert.equal(await sam.note("decided already").count(), 0);
    await robin.sit("Sam");
    await robin.note("decided already").waitFor({ state: "detached" });
    await robin.sit("Robin");
    await robin.note("decided already").waitFor();
  });
}

async function phone({ check }, open) {
  await check("on a dark phone nothing sticks out", async () => {
    const options = { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, isMobile: true };
    const window = await open("phone", options);
    await window.message(THIRD).waitFor();
    await window.picture("1-newest", window.message(THIRD));
    await window.picture("2-hostile", window.message(hostile("").name));
    const wide = await window.page.evaluate(() =>
      [document.documentElement, document.querySelector("main")].map((box) => box.scrollWidth - box.clientWidth),
    );
    assert.deepEqual(wide, [0, 0], "px wider than the screen: the page, the list");
    assert.deepEqual(window.trouble, []);
  });
}

/** Some element of the message holds exactly this text, can be seen, and has no element inside. */
async function shownAsText(message, text) {
  const found = await message.locator(".text").evaluateAll(
    (nodes, text) => nodes.filter((node) => node.textContent.includes(text) && node.childElementCount === 0).length,
    text,
  );
  assert.ok(found > 0, `not shown as it was written: ${text}`);
}

/** Nothing in the message came from a customer but text. Mentions of reviewers are our own. */
async function onlyText(window, name, mentions) {
  const foreign = "script, img, svg, iframe, style, link, form, h1, a, code, i, s";
  const message = window.message(name);
  assert.equal(await message.locator(foreign).count(), 0, "elements that nobody but the customer can have made");
  assert.equal(await message.locator(".ping").count(), mentions, "mentions");
  assert.equal(await message.locator("pre > *").count(), 0, "elements in the message's source");
  assert.equal(await window.page.evaluate(() => window.fooled), undefined);
}

/** What has to hold of everything that was done so far. */
async function quiet(windows, service, trap, check) {
  await check("no script failed, the console stayed empty, no request was refused, no window opened", () =>
    assert.deepEqual(windows.flatMap(({ trouble }) => trouble), []),
  );
  await check("no page was loaded a second time", () =>
    assert.deepEqual(windows.map(({ loads }) => loads), [1, 1]),
  );
  await check("no request left the page's own origin", () => {
    const { origin } = new URL(service.slackMessagesUrl);
    const asked = windows.flatMap(({ requests }) => requests);
    assert.deepEqual(asked.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith("data:")), []);
    assert.ok(asked.length > 10, "requests were seen at all");
    assert.deepEqual(trap.hits, []);
  });
}

/** Whoever watches has to be able to see something: here is what the checks above would have met. */
async function awake(open, trap, check) {
  const window = await open("proof");
  await check("the page's policy stops what a mistake would load and run, and the watch sees it", async () => {
    await window.page.evaluate((url) => {
      document.getElementById("list").innerHTML = `<img src="${url}/picture"><iframe src="${url}/frame"></iframe>`;
      const script = document.createElement("script");
      script.src = `${url}/script`;
      document.body.append(script);
      return fetch(`${url}/fetch`).catch(() => {});
    }, trap.url);
    // Of a frame the console names no more than the origin.
    for (const what of ["picture'", "script'", "fetch'"]) await window.troubled(`${trap.url}/${what}`);
    await window.troubled(`Framing '${trap.url}/'`);
    assert.deepEqual(trap.hits, []);
  });
  await check("a request that does leave is seen too", async () => {
    await window.page.goto(`${trap.url}/left`);
    assert.ok(window.requests.includes(`${trap.url}/left`) && trap.hits.includes("/left"));
    assert.equal(window.loads, 2);
  });
}
