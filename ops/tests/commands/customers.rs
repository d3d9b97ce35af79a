//! Organizations, API keys, credits, agents, SIP connections, brands.

use std::time::Duration;

use local::seed::World;
use serde_json::json;

use crate::desk::Desk;

#[tokio::test]
async fn an_organization_is_created_once_and_can_be_shown_and_listed() {
    let desk = Desk::with(World::default()).await;
    let created = desk.json(&["orgs", "create", "org_acme", "--name", "Acme Inc", "--no-buying"]).await;
    assert_eq!(
        (&created["changed"], &created["id"], &created["name"]),
        (&json!(true), &json!("org_acme"), &json!("Acme Inc"))
    );
    let before = desk.stored().await;
    desk.run(&["orgs", "create", "org_acme", "--name", "Other"])
        .await
        .refused("There is an organization 'org_acme' already.");
    assert_eq!(desk.stored().await, before);

    let shown = desk.json(&["orgs", "show", "org_acme"]).await;
    assert_eq!((&shown["buyingEnabled"], &shown["balanceUsd"]), (&json!(false), &json!("0.00")));
    assert_eq!(shown["verificationStatus"], json!(null));
    let ids = |list: serde_json::Value| {
        list.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(desk.json(&["orgs", "list"]).await), [desk.org(), "org_acme".to_owned()]);
    assert_eq!(ids(desk.json(&["orgs", "list", "--limit", "1"]).await), [desk.org()]);
    assert_eq!(ids(desk.json(&["orgs", "list", "--after", &desk.org()]).await), ["org_acme"]);
    desk.run(&["orgs", "show", "org_nobody"]).await.refused("There is no organization 'org_nobody'.");
}

#[tokio::test]
async fn who_may_buy_is_switched_and_saying_it_again_changes_nothing() {
    let desk = Desk::approved().await;
    let org = desk.org();
    assert_eq!(desk.json(&["orgs", "buying", &org, "off"]).await["changed"], true);
    desk.app.buy("+14155550100").send().await.refused(403, "PHONE_NUMBER_BUYING_DISABLED");
    assert_eq!(desk.json(&["orgs", "buying", &org, "off"]).await["changed"], false);
    assert_eq!(desk.json(&["orgs", "buying", &org, "on"]).await["changed"], true);
    desk.app.buy("+14155550100").send().await.ok();

    let policy = async |word: &str| {
        let said = desk.json(&["orgs", "policy", &org, word]).await;
        (said["changed"] == true, desk.json(&["orgs", "show", &org]).await["purchasePolicy"].clone())
    };
    assert_eq!(policy("submitted").await, (true, json!("submitted")));
    assert_eq!(policy("submitted").await, (false, json!("submitted")));
    assert_eq!(policy("default").await, (true, json!(null)));
    desk.run(&["orgs", "buying", "org_nobody", "on"]).await.refused("There is no organization");
}

#[tokio::test]
async fn under_review_is_enough_to_buy_once_the_operator_says_so() {
    let desk = Desk::with(World::default()).await;
    let form = json!({ "declaration": { "businessName": "Acme", "useCase": "x" }, "attestationAccepted": true });
    desk.app.post("/v1/phone-numbers/kyb/submit", &form).send().await.ok();
    desk.json(&["credits", "grant", &desk.org(), "2", "--reference", "a"]).await;
    desk.app.buy("+14155550100").send().await.refused(403, "PHONE_NUMBER_KYB_REQUIRED");
    desk.json(&["orgs", "policy", &desk.org(), "submitted"]).await;
    desk.app.buy("+14155550100").send().await.ok();
    desk.app.bundle.notifications.settled().await;
}

#[tokio::test]
async fn keys_are_listed_with_their_names_their_last_use_and_their_end() {
    let desk = Desk::approved().await;
    let org = desk.org();
    let issue = ["keys", "issue", &org, "--name", "Billing", "--expires"];
    let end = "2100-01-01T00:00:00.000Z";
    let issued = desk.json(&[&issue[..], &[end]].concat()).await;
    desk.run(&[&issue[..], &["2020-01-01T00:00:00Z"]].concat())
        .await
        .refused("has passed: name a time that is to come");
    let listed = async || {
        let keys = desk.json(&["keys", "list", &org]).await;
        keys.as_array().unwrap().iter().find(|key| key["id"] == issued["id"]).unwrap().clone()
    };
    let unused = listed().await;
    assert_eq!((&unused["name"], &unused["expiresAt"]), (&json!("Billing"), &json!(end)));
    assert_eq!(unused["lastUsedAt"], json!(null));
    desk.app.get("/v1/phone-numbers").key(issued["apiKey"].as_str().unwrap()).send().await.ok();
    assert!(listed().await["lastUsedAt"].is_string());
}

#[tokio::test]
async fn a_key_is_shown_once_allows_what_was_said_and_ends_when_revoked() {
    let desk = Desk::approved().await;
    let org = desk.org();
    let issued = desk.json(&["keys", "issue", &org, "--scopes", "read"]).await;
    let (key, id) = (issued["apiKey"].as_str().unwrap(), issued["id"].as_str().unwrap());
    assert_eq!(issued["scopes"], json!(["read"]));
    let app = &desk.app;
    app.get("/v1/phone-numbers").key(key).send().await.ok();
    app.buy("+14155550100").key(key).send().await.refused(403, "SCOPE_REQUIRED");

    let listed = desk.run(&["keys", "list", &org, "--json"]).await;
    assert!(!listed.output.contains(key), "a key is shown once");
    assert!(listed.done().as_array().unwrap().iter().any(|row| row["id"] == id && row["revokedAt"].is_null()));

    desk.run(&["keys", "revoke", &org, id]).await.refused("say --yes");
    let stranger = desk.json(&["orgs", "create", "org_other", "--name", "Other"]).await;
    assert_eq!(stranger["changed"], true);
    desk.run(&["keys", "revoke", "org_other", id, "--yes"])
        .await
        .refused("Organization 'org_other' has no such API key.");
    assert_eq!(desk.json(&["keys", "revoke", &org, id, "--yes"]).await["changed"], true);
    assert_eq!(desk.json(&["keys", "revoke", &org, id, "--yes"]).await["changed"], false);
    app.clock.advance(Duration::from_secs(61));
    app.get("/v1/phone-numbers").key(key).send().await.refused(401, "UNAUTHORIZED");

    let events = desk.json(&["events", &org, id]).await;
    let events = events.as_array().unwrap();
    let told =
        |event: &serde_json::Value| (event["action"].clone(), event["actorKind"].clone(), event["actorId"].clone());
    assert_eq!(events.len(), 2, "a second revocation leaves no event");
    assert_eq!(told(&events[0]), (json!("revoked"), json!("operator"), json!("grace")));
    assert_eq!(told(&events[1]), (json!("issued"), json!("operator"), json!("grace")));
}

#[tokio::test]
async fn a_key_that_was_found_in_public_is_revoked_by_itself() {
    let desk = Desk::approved().await;
    let org = desk.org();
    let found = format!("{}\n", desk.app.key);
    let revoked = desk.typing(Some(&found), &["keys", "revoke", &org, "-", "--yes", "--json"]).await.done();
    assert_eq!(revoked["changed"], true);
    desk.app.clock.advance(Duration::from_secs(61));
    desk.app.get("/v1/phone-numbers").send().await.refused(401, "UNAUTHORIZED");
    let typed = desk.typing(Some("sk_live_no\n"), &["keys", "revoke", &org, "-", "--yes"]).await;
    typed.refused("is not an API key");
    assert!(!typed.errors.contains("sk_live_no"));
}

#[tokio::test]
async fn credits_are_booked_once_for_each_reference() {
    let desk = Desk::with(World::default()).await;
    let org = desk.org();
    let booked = desk.json(&["credits", "grant", &org, "10.000001", "--reference", "INV-1"]).await;
    assert_eq!((&booked["changed"], &booked["balanceUsd"]), (&json!(true), &json!("10.000001")));
    let before = desk.stored().await;
    desk.app.clock.advance(Duration::from_hours(1));
    let again = desk.json(&["credits", "grant", &org, "10.000001", "--reference", "INV-1"]).await;
    assert_eq!((&again["changed"], &again["balanceUsd"]), (&json!(false), &json!("10.000001")));
    assert!(again["message"].as_str().unwrap().contains("grace booked a grant of 10.000001 USD under reference INV-1"));
    desk.run(&["credits", "grant", &org, "11", "--reference", "INV-1"]).await.refused("take another reference");
    desk.run(&["credits", "adjust", &org, "10.000001", "--reference", "INV-1"]).await.refused("take another reference");
    desk.run(&["credits", "adjust", &org, "-10.01", "--reference", "FIX-1"]).await.refused("would make it negative");
    assert_eq!(desk.stored().await, before, "whatever is refused or repeated writes nothing");

    let taken = desk.json(&["credits", "adjust", &org, "-10", "--reference", "FIX-1"]).await;
    assert_eq!(taken["balanceUsd"], "0.000001");
    assert_eq!(desk.json(&["credits", "balance", &org]).await["balanceUsd"], "0.000001");
    let ledger = desk.json(&["credits", "ledger", &org]).await;
    let lines: Vec<_> = ledger.as_array().unwrap().iter().map(|line| (&line["kind"], &line["amountUsd"])).collect();
    assert_eq!(lines, [(&json!("adjustment"), &json!("-10.00")), (&json!("grant"), &json!("10.000001"))]);
    let last = ledger[0]["position"].as_str().unwrap();
    let older = desk.json(&["credits", "ledger", &org, "--limit", "1", "--after", last]).await;
    assert_eq!((older.as_array().unwrap().len(), &older[0]["reference"]), (1, &json!("grant:INV-1")));
    let grants = desk.json(&["credits", "ledger", &org, "--kind", "grant"]).await;
    assert_eq!(grants.as_array().unwrap().len(), 1);
    desk.run(&["credits", "grant", "org_nobody", "1", "--reference", "x"]).await.refused("There is no organization");
    desk.app.check_books().await;
}

#[tokio::test]
async fn removing_an_agent_unlinks_its_number_and_leaves_an_event() {
    let desk = Desk::approved().await;
    let org = desk.org();
    assert_eq!(desk.json(&["agents", "register", &org, "agent_new"]).await["changed"], true);
    let body = json!({ "e164": "+14155550100", "direction": "both", "agentId": "agent_new" });
    let row = desk.app.post("/v1/phone-numbers", &body).send().await.ok();
    let id = row["id"].as_str().unwrap();
    let agents = desk.json(&["agents", "list", &org]).await;
    let linked = agents.as_array().unwrap().iter().find(|agent| agent["id"] == "agent_new").unwrap();
    assert_eq!(linked["phoneNumberId"], id);

    desk.run(&["agents", "remove", &org, "agent_new"]).await.refused("unlink it from number");
    let removed = desk.json(&["agents", "remove", &org, "agent_new", "--yes"]).await;
    assert_eq!(removed["unlinkedPhoneNumberId"], id);
    let path = format!("/v1/phone-numbers/{id}");
    let now = desk.app.get(&path).send().await.ok();
    assert_eq!((&now["agentId"], &now["setupStatus"]["agentReady"]), (&json!(null), &json!(false)));
    let link = json!({ "agentId": "agent_new" });
    desk.app.patch(&path, &link).send().await.invalid(&["agentId"]);
    let events = desk.json(&["events", &org, id]).await;
    assert_eq!((&events[0]["actorId"], &events[0]["changed"]), (&json!("grace"), &json!(["agentId"])));

    desk.json(&["agents", "register", &org, "agent_new"]).await;
    desk.app.patch(&path, &link).send().await.ok();
    assert_eq!(desk.json(&["agents", "remove", &org, "agent_1", "--yes"]).await["unlinkedPhoneNumberId"], json!(null));
    desk.run(&["agents", "remove", &org, "agent_1", "--yes"]).await.refused("has no agent 'agent_1'");
    desk.app.check_books().await;
}

#[tokio::test]
async fn an_agent_is_removed_from_a_number_that_is_being_released_and_the_release_ends_all_the_same() {
    let desk = Desk::approved().await;
    let body = json!({ "e164": "+14155550523", "agentId": "agent_1" });
    let row = desk.app.post("/v1/phone-numbers", &body).send().await.ok();
    let path = format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap());
    desk.app.delete(&path).send().await.refused(503, "CARRIER_UNAVAILABLE");
    desk.json(&["agents", "remove", &desk.org(), "agent_1", "--yes"]).await;
    desk.app.delete(&path).send().await.ok();
    desk.app.get(&path).send().await.refused(404, "NOT_FOUND");
    desk.app.check_books().await;
}

#[tokio::test]
async fn numbers_of_a_removed_sip_connection_stay_and_count_as_disconnected() {
    let desk = Desk::approved().await;
    let org = desk.org();
    let new = ["sip", "register", &org, "sip_new", "--provider", "Trunks Inc"];
    assert_eq!(desk.json(&new).await["connected"], true);
    let body = json!({ "e164": "+12125550142", "sipConnectionInstallationId": "sip_new" });
    let row = desk.app.post("/v1/phone-numbers/import", &body).send().await.ok();
    assert_eq!((&row["sipProviderName"], &row["setupStatus"]["status"]), (&json!("Trunks Inc"), &json!("ready")));
    let path = format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap());

    desk.json(&[&new[..], &["--disconnected"]].concat()).await;
    assert_eq!(desk.app.get(&path).send().await.ok()["setupStatus"]["sipConnectionReady"], false);
    desk.json(&new).await;
    desk.run(&["sip", "remove", &org, "sip_new"]).await.refused("say --yes");
    assert_eq!(desk.json(&["sip", "remove", &org, "sip_new", "--yes"]).await["changed"], true);
    let status = desk.app.get(&path).send().await.ok()["setupStatus"].clone();
    assert_eq!((&status["status"], &status["sipConnectionReady"]), (&json!("action_required"), &json!(false)));
    assert!(desk.json(&["sip", "list", &org]).await.as_array().unwrap().iter().all(|row| row["id"] != "sip_new"));
    desk.run(&["sip", "remove", &org, "sip_new", "--yes"]).await.refused("has no SIP connection 'sip_new'");
    let again = json!({ "e164": "+12125550143", "sipConnectionInstallationId": "sip_new" });
    desk.app.post("/v1/phone-numbers/import", &again).send().await.invalid(&["sipConnectionInstallationId"]);
}

#[tokio::test]
async fn a_brand_from_flags_from_a_file_or_from_the_carrier_prefills_the_verification() {
    let desk = Desk::with(World::default()).await;
    let org = desk.org();
    desk.run(&["brand", "show", &org]).await.refused("has no brand");
    let prefilled = async || desk.app.get("/v1/phone-numbers/kyb").send().await.ok()["prefill"].to_string();

    desk.json(&["brand", "set", &org, "--company-name", "Flag Inc", "--postal-code", "62701"]).await;
    assert!(prefilled().await.contains("Flag Inc"));
    assert_eq!(desk.json(&["brand", "show", &org]).await["postalCode"], "62701");

    let printed = desk.json(&["brand", "show", &org]).await;
    let file = desk.file("brand.json", &printed.to_string().replace("Flag Inc", "File Inc"));
    desk.json(&["brand", "set", &org, "--file", file.to_str().unwrap()]).await;
    assert!(prefilled().await.contains("File Inc"));

    desk.json(&["brand", "fetch", &org, "BSANDBOX"]).await;
    assert!(prefilled().await.contains("Harbor Voice Inc"));
    let before = desk.stored().await;
    desk.run(&["brand", "fetch", &org, "BNOBODY"]).await.refused("The carrier knows no such brand.");
    desk.run(&["brand", "set", &org, "--ein", &"1".repeat(201)]).await.refused("ein must be at most 200 characters");
    desk.run(&["brand", "set", &org, "--phone", "+4402071838750"])
        .await
        .refused("phone must be spelled +442071838750:");
    for (flag, text, why) in [
        ("--website", "https://user:pass@example.org", "website must not contain a user name"),
        ("--website", "https://localhost", "website must be on a public host"),
        ("--email", "ada", "email must be an e-mail address"),
        ("--country", "USA", "country must be a two-letter"),
        ("--company-name", "a\u{7}", "companyName must not contain control characters"),
    ] {
        desk.run(&["brand", "set", &org, flag, text]).await.refused(why);
    }
    let misspelled = desk.file("phone.json", r#"{"phone":"+114155550143"}"#);
    desk.run(&["brand", "set", &org, "--file", misspelled.to_str().unwrap()])
        .await
        .refused("phone must be spelled +14155550143:");
    for (text, why) in
        [("[]", "is not a JSON object"), (r#"{"einn":"1"}"#, "unknown field `einn`"), ("{", "is not a JSON")]
    {
        let file = desk.file("bad.json", text);
        desk.run(&["brand", "set", &org, "--file", file.to_str().unwrap()]).await.refused(why);
    }
    desk.run(&["brand", "set", &org, "--file", "/nowhere/brand.json"])
        .await
        .refused("/nowhere/brand.json cannot be read");
    assert_eq!(desk.stored().await, before);
}
