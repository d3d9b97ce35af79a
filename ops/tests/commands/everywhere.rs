//! What holds for every command.

use local::seed::World;
use serde_json::json;
use tests::dynamo::Weather;

use crate::desk::Desk;

/// Every command that changes something, on a world in which it could.
async fn changes(desk: &Desk) -> Vec<Vec<String>> {
    let org = desk.org();
    let number = desk.app.buy("+14155550500").send().await.ok()["id"].as_str().unwrap().to_owned();
    desk.app.import("+12125550142").send().await.ok();
    let leaving = desk.app.buy("+14155550523").send().await.ok()["id"].as_str().unwrap().to_owned();
    desk.app.delete(&format!("/v1/phone-numbers/{leaving}")).send().await.refused(503, "CARRIER_UNAVAILABLE");
    let issued = desk.json(&["keys", "issue", &org]).await["id"].as_str().unwrap().to_owned();
    let approved = desk.json(&["verifications", "show", &org]).await["id"].as_str().unwrap().to_owned();
    let other = "org_waiting";
    desk.json(&["orgs", "create", other, "--name", "Waiting"]).await;
    let key = desk.json(&["keys", "issue", other]).await["apiKey"].as_str().unwrap().to_owned();
    let form = json!({ "declaration": { "businessName": "Acme", "useCase": "x" }, "attestationAccepted": true });
    let filed = desk.app.post("/v1/phone-numbers/kyb/submit", &form).key(&key).send().await.ok();
    desk.app.bundle.notifications.settled().await;
    let waiting = filed["id"].as_str().unwrap();
    [
        "orgs create org_new --name New".to_owned(),
        format!("orgs policy {org} submitted"),
        format!("orgs buying {org} off"),
        format!("keys issue {org}"),
        format!("keys revoke {org} {issued}"),
        format!("credits grant {org} 1 --reference a"),
        format!("credits adjust {org} -1 --reference b"),
        format!("agents register {org} agent_new"),
        format!("agents remove {org} agent_1"),
        format!("sip register {org} sip_new --provider Trunks"),
        format!("sip remove {org} sip_up"),
        format!("brand set {org} --ein 1"),
        format!("brand fetch {org} BSANDBOX"),
        format!("verifications resend {other} {waiting}"),
        format!("verifications approve {other} {waiting}"),
        format!("verifications reject {other} {waiting} --reason No"),
        format!("verifications revoke {org} {approved} --reason No"),
        "numbers free +12125550142".to_owned(),
        format!("numbers forget {org} {leaving}"),
        format!("orders adopt {org} {number}"),
    ]
    .iter()
    .map(|line| line.split(' ').map(str::to_owned).collect())
    .collect()
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_dry_run_of_any_command_says_what_it_would_do_and_does_nothing() {
    let desk = Desk::approved().await;
    let changes = changes(&desk).await;
    let (before, messages) = (desk.stored().await, desk.app.bundle.slack.messages().len());
    for change in &changes {
        let ended = desk.run(&[&borrowed(change)[..], &["--dry-run", "--json"]].concat()).await;
        let said = ended.done();
        assert_eq!((&said["dryRun"], &said["changed"]), (&json!(true), &json!(false)), "{change:?}");
        assert!(said["message"].as_str().unwrap().starts_with("Dry run: this would "), "{said}");
    }
    desk.app.bundle.notifications.settled().await;
    assert_eq!(desk.stored().await, before);
    assert_eq!(desk.app.bundle.slack.messages().len(), messages);
}

#[tokio::test]
async fn what_cannot_be_undone_is_asked_first_and_only_yes_is_a_yes() {
    let desk = Desk::approved().await;
    let changes = changes(&desk).await;
    let mut asked = Vec::new();
    for change in &changes {
        let before = desk.stored().await;
        let ended = desk.run(&borrowed(change)).await;
        if ended.code == 0 {
            continue;
        }
        ended.refused("which cannot be undone: say --yes to have it done unasked.");
        for answer in ["\n", "n\n", "no\n", "yeah\n", ""] {
            let ended = desk.typing(Some(answer), &borrowed(change)).await;
            assert_eq!((ended.code, ended.output.as_str()), (1, ""), "{change:?}");
            assert!(ended.errors.starts_with("This will ") && ended.errors.contains("Go on? [y/N] "), "{ended:?}");
            assert!(ended.errors.ends_with("error: Nothing was changed.\n"), "{ended:?}");
        }
        assert_eq!(desk.stored().await, before, "{change:?}");
        asked.push((change[0].clone(), change[1].clone()));
        let ended = desk.typing(Some("y\n"), &borrowed(change)).await;
        // The second decision about one submission is refused for what the first one was.
        assert!(ended.code == 0 || ended.errors.contains("decided by grace"), "{change:?} {ended:?}");
    }
    desk.app.bundle.notifications.settled().await;
    let expected = [
        "keys revoke",
        "agents remove",
        "sip remove",
        "verifications reject",
        "verifications revoke",
        "numbers free",
        "numbers forget",
    ];
    let asked: Vec<_> = asked.iter().map(|(noun, verb)| format!("{noun} {verb}")).collect();
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_wrong_command_line_is_told_apart_from_a_refusal_and_says_what_is_accepted() {
    let desk = Desk::with(World::default()).await;
    for (line, says) in [
        ("", "Usage: ops"),
        ("orgs", "Usage: ops orgs"),
        ("orgs make org_1", "unrecognized subcommand 'make'"),
        ("orgs create org#1 --name A", "must be an id of 1 to 128 letters"),
        ("orgs create org_1", "--name <NAME>"),
        ("orgs policy org_1 always", "[possible values: approved, submitted, default]"),
        ("orgs buying org_1 maybe", "[possible values: on, off]"),
        ("orgs list --limit 0", "0 is not in 1..=1000"),
        ("keys issue org_1 --scopes admin", "[possible values: read, write, compliance]"),
        ("keys revoke org_1 sk_live_1", "must be an id that starts with key_"),
        ("credits grant org_1 1.0000001 --reference a", "at most six decimals"),
        ("credits grant org_1 0 --reference a", "must be more than zero"),
        ("credits grant org_1 -1 --reference a", "-1"),
        ("credits adjust org_1 0.0 --reference a", "must not be zero"),
        ("credits grant org_1 1", "--reference <REFERENCE>"),
        ("credits grant org_1 1 --reference a#b", "must be an id of 1 to 128"),
        ("agents register org_1 a#b", "must be an id of 1 to 128"),
        ("sip register org_1 sip_1", "--provider <PROVIDER>"),
        ("brand set org_1", "required arguments were not provided"),
        ("brand set org_1 --file a --ein 1", "cannot be used with"),
        ("brand fetch org_1 ../balance", "must be the carrier's id of a brand"),
        ("verifications approve org_1 kyb_1", "must be an id that starts with kyb_"),
        ("verifications reject org_1 kyb_01kwdfkd000000000000000001", "--reason <REASON>"),
        (
            "verifications reject org_1 kyb_01kwdfkd000000000000000001 --reason x --field city=x",
            "must name a field of the form",
        ),
        (
            "verifications reject org_1 kyb_01kwdfkd000000000000000001 --reason x --field city",
            "must be a field's path, '='",
        ),
        ("numbers find 4155550100", "+"),
        ("orders adopt org_1 pn_01kwdfkd000000000000000001 --carrier-id 1", "--force"),
        ("orders adopt org_1 pn_01kwdfkd000000000000000001 --force", "--carrier-id"),
        ("events org_1 org_1", "must be an id that starts with pn_, kyb_ or key_"),
        ("dead-letters look --limit 101", "101 is not in 1..=100"),
        ("--profile p orgs list", "cannot be used with"),
    ] {
        let arguments: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let ended = desk.run(&arguments).await;
        assert_eq!((ended.code, ended.output.as_str()), (2, ""), "{line}: {ended:?}");
        assert!(ended.errors.contains(says), "{line}: {}", ended.errors);
    }
}

#[tokio::test]
async fn help_is_no_error_and_shows_examples() {
    let desk = Desk::with(World::default()).await;
    let help = desk.run(&["--help"]).await;
    assert_eq!((help.code, help.errors.as_str()), (0, ""));
    assert!(help.output.contains("ops --local orgs create org_acme") && help.output.contains("Exit codes: 0 done"));
    for noun in [
        "orgs",
        "keys",
        "credits",
        "agents",
        "sip",
        "brand",
        "verifications",
        "numbers",
        "orders",
        "events",
        "dead-letters",
    ] {
        let help = desk.run(&[noun, "--help"]).await;
        assert_eq!((help.code, help.errors.as_str()), (0, ""), "{noun}");
    }
}

#[tokio::test]
async fn a_table_that_cannot_be_reached_is_one_sentence() {
    let desk = Desk::with(World::default()).await;
    desk.app.dynamo.set(Weather::Down);
    desk.run(&["orgs", "list"]).await.refused("The table does not answer, or is busy: DynamoDB: ");
    desk.run(&["credits", "balance", &desk.org()]).await.refused("The table does not answer");
    desk.app.dynamo.set(Weather::Fair);
    desk.run(&["orgs", "list"]).await;
}

#[tokio::test]
async fn the_local_run_has_no_dead_letters_and_says_so() {
    let desk = Desk::with(World::default()).await;
    desk.run(&["dead-letters", "look"]).await.refused("The local run has no queue of dead letters");
    desk.run(&["dead-letters", "redrive"]).await.refused("The local run has no queue of dead letters");
}
