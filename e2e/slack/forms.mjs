// What customers submit.

/** The short form. */
export function declaration(businessName) {
  return { declaration: { businessName, useCase: "Appointment reminders" }, attestationAccepted: true };
}

/** The whole form; `changes` are made to the business and to its representative. */
export function profile({ business = {}, representative = {} }) {
  const address = { street: "1 Main St", city: "Springfield", state: "IL", postalCode: "62701", country: "US" };
  return {
    businessProfile: {
      legalName: "Fresh Start LLC",
      displayName: "Fresh Start",
      entityType: "llc",
      country: "US",
      registrationId: "12-3456789",
      website: "https://fresh.example.com",
      address,
      useCase: "Reminders of appointments, and calling back whoever rang while nobody was there.",
      expectedUsage: "About 100 calls a day, at office hours.",
      ...business,
    },
    authorizedRepresentative: {
      name: "Ada Park",
      title: "Owner",
      email: "ada@fresh.example.com",
      phone: "+12015551234",
      ...representative,
    },
    attestationAccepted: true,
  };
}

/** A customer who tries whatever a browser, Slack or a reviewer could fall for; `trap` is where a mistake would lead. */
export function hostile(trap) {
  const name = `Mal <!channel> <b>& Co</b> *Approved* by <@U0ROBIN>`;
  const useCase = [
    `<script>window.fooled = "script"</script><script src="${trap}/script"></script>`,
    `<img src="${trap}/picture" onerror="window.fooled = 'picture'"><svg onload="window.fooled = 'svg'">`,
    `<iframe src="${trap}/frame"></iframe><style>* { display: none }</style></div></article>`,
    `<!channel> <!here> <!everyone> @channel @here <@U0SAM> <#C012345678>`,
    `<${trap}/link|Click here to approve> ${trap}/bare <javascript:alert(1)|approve> <mailto:a@example.com|mail>`,
    `*Reason* _none_ ~none~ \`code\` > quote :tada: <!date^0^{date}|today>`,
    `&lt;script&gt; &amp;amp; &#60;b&#62; &nbsp; %3Cscript%3E \\u003cscript\\u003e {{7*7}} \${7*7}`,
    `\u{1F4A9} e\u0301 \u05E9\u05DC\u05D5\u05DD`,
  ].join("\n");
  const expectedUsage = `${"As many calls as there are people who read on, <b>every</b> day. ".repeat(26)}The end.`;
  const business = { legalName: name, displayName: `<h1>${"W".repeat(60)}</h1>`, useCase, expectedUsage };
  const representative = { name: `<svg/onload=alert(1)>`, title: `"><script>alert(1)</script>` };
  return { name, useCase, expectedUsage, form: profile({ business, representative }) };
}
