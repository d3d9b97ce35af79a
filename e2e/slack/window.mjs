// One reviewer's browser window, and everything that goes wrong in it.

// How long anything may take until it is seen, in milliseconds. The page looks for news every two seconds.
const SEEN_WITHIN = 20_000;

export class Window {
  /** What no reviewer should ever meet, as sentences. */
  trouble = [];
  /** The addresses that the page has asked for. */
  requests = [];
  /** How often a page was loaded. */
  loads = 0;
  #pictures;

  /** Opens `url` in a window that shares nothing with the others. Its pictures' names begin with `pictures`. */
  static async open(browser, url, pictures, options = {}) {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 900 },
      locale: "en-US",
      timezoneId: "America/New_York",
      ...options,
    });
    context.setDefaultTimeout(SEEN_WITHIN);
    const window = new Window(await context.newPage(), pictures);
    await window.page.goto(url);
    return window;
  }

  constructor(page, pictures) {
    this.page = page;
    this.#pictures = pictures;
    const note = (sentence) => this.trouble.push(sentence);
    page.on("request", (request) => this.requests.push(request.url()));
    page.on("requestfailed", (request) => note(`a request failed: ${request.url()}`));
    page.on("response", (response) => response.ok() || redirects(response) || note(refused(response)));
    page.on("console", (message) => quiet(message) || note(`the console says: ${message.text()}`));
    page.on("pageerror", (error) => note(`a script failed: ${error.message}`));
    page.on("popup", (popup) => note(`another window opened: ${popup.url()}`));
    page.on("framenavigated", (frame) => frame === page.mainFrame() && (this.loads += 1));
    page.on("dialog", (dialog) => {
      note(`a script asked: ${dialog.message()}`);
      return dialog.dismiss();
    });
  }

  /** Chooses who sits at this window. */
  async sit(name) {
    await this.page.getByLabel("You are").selectOption(name);
  }

  /** The message about a business; `text` narrows it down to one that says so. */
  message(business, text = "") {
    const title = this.page.getByRole("heading", { name: `Business verification: ${business}`, exact: true });
    return this.page.getByRole("article").filter({ has: title }).filter({ hasText: text });
  }

  button(business, name) {
    return this.message(business).getByRole("button", { name, exact: true });
  }

  /** The form on top of the page. */
  get form() {
    return this.page.getByRole("dialog");
  }

  /** What only this reviewer was told, where it contains `text`. */
  note(text) {
    return this.page.locator(".note", { hasText: text });
  }

  /** Holds back what the page asks for at `path` until the function that this answers is called. */
  async hold(path) {
    let release;
    const gate = new Promise((resolve) => (release = resolve));
    await this.page.route(`**/${path}`, async (route) => {
      await gate;
      await route.continue();
    });
    return () => {
      release();
      return this.page.unrouteAll({ behavior: "wait" });
    };
  }

  /** Waits until the console has complained of `text`. */
  async troubled(text) {
    if (this.trouble.some((sentence) => sentence.includes(text))) return;
    await this.page.waitForEvent("console", (message) => message.text().includes(text));
  }

  /** Takes a picture, with the top of `at` in sight. */
  async picture(name, at) {
    await at?.evaluate((element) => element.scrollIntoView());
    await this.page.screenshot({ path: `${this.#pictures}-${name}.png`, animations: "disabled" });
  }
}

const redirects = (response) => response.status() >= 300 && response.status() < 400;
const refused = (response) => `a request was refused with ${response.status()}: ${response.url()}`;
const quiet = (message) => !["error", "warning"].includes(message.type());
