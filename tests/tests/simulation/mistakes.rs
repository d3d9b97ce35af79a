//! Mistakes on purpose: wrong patches, each applied to a copy of the source, where the simulation alone has to catch it.
//!
//! `MISTAKES=all cargo test -p tests --test simulation mistake -- --nocapture` builds and runs them all, in some 20 minutes;
//! `MISTAKES=<part of a name>` runs those. Without it, only whether each patch still fits is looked at.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::setting;

/// One wrong patch.
struct Mistake {
    name: &'static str,
    /// For each place: the file, the text that it holds once, and the text that replaces it.
    patch: &'static [(&'static str, &'static str, &'static str)],
}

const BILLING: &str = "shared/domain/src/billing.rs";
const RENEWAL: &str = "shared/domain/src/renewal.rs";
const CHARGE: &str = "functions/renewals/src/charge.rs";
const RENEWALS: &str = "shared/table/src/renewals.rs";
const CREDITS: &str = "shared/table/src/credits.rs";
const NUMBERS: &str = "shared/table/src/numbers.rs";
const AUDIT: &str = "shared/table/src/audit.rs";
const REGISTRATIONS: &str = "shared/table/src/registrations.rs";

const MISTAKES: &[Mistake] = &[
    Mistake {
        name: "a ledger entry names the month after the one that it pays for",
        patch: &[(CHARGE, "number.period(&(n..n + 1))", "number.period(&(n + 1..n + 2))")],
    },
    Mistake {
        name: "a month begins a month after the last one, which was cut short",
        patch: &[(
            RENEWAL,
            "self.anchor.months_later(n)",
            "(0..n).fold(self.anchor, |begins, _| begins.months_later(1))",
        )],
    },
    Mistake {
        name: "a month is skipped",
        patch: &[(BILLING, "self.billing.next_month = Some(next);", "self.billing.next_month = Some(next + 1);")],
    },
    Mistake {
        name: "a number is suspended although credits came meanwhile",
        patch: &[(
            RENEWALS,
            r#"transaction.check("credits", Key::credits(organization), &unchanged(credits))?"#,
            r#"transaction.check("credits", Key::credits(organization), &Condition::present())?"#,
        )],
    },
    Mistake {
        name: "a number is written although it has changed meanwhile",
        patch: &[(
            NUMBERS,
            r#"let unchanged = Condition::new("version = :old").number(":old", old.version);"#,
            "let _ = old; let unchanged = Condition::present();",
        )],
    },
    Mistake {
        name: "credits that are just enough are not enough",
        patch: &[(RENEWAL, "&& price <= self.balance;", "&& price < self.balance;")],
    },
    Mistake {
        name: "a suspension is lifted for a part of the debt",
        patch: &[
            (RENEWAL, "!begun.is_empty() => begun,", "!begun.is_empty() => next..next + 1,"),
            (BILLING, "self.paid(owed.end - owed.start, now)", "self.paid(1.min(owed.end - owed.start), now)"),
        ],
    },
    Mistake {
        name: "a number is released without a second refusal",
        patch: &[(BILLING, "self.refused_at.since(self.refused_since) >= TRIED_AGAIN_AFTER", "true")],
    },
    Mistake {
        name: "refusals from before an outage count",
        patch: &[(
            BILLING,
            "if arrears.refused_since < alive_since {",
            "if arrears.refused_since < alive_since.minus(Duration::from_hours(10_000)) {",
        )],
    },
    Mistake {
        name: "a release that is put off keeps its date",
        patch: &[(BILLING, "arrears.release_at = now.plus(TRIED_AGAIN_AFTER);", "arrears.release_at = now;")],
    },
    Mistake {
        name: "a suspended number is released after a day, whatever was announced",
        patch: &[(
            BILLING,
            "arrears.is_some_and(|arrears| arrears.release_at <= now &&",
            "arrears.is_some_and(|arrears| arrears.suspended_at.plus(TRIED_AGAIN_AFTER) <= now &&",
        )],
    },
    Mistake {
        name: "a number that is being released is charged",
        patch: &[(BILLING, "self.billing.next_month.filter(|_| self.settled())?", "self.billing.next_month?")],
    },
    Mistake {
        name: "a refund leaves its number, and can be booked again",
        patch: &[(
            REGISTRATIONS,
            "Transaction::on(self).remove(&removal)?.book(",
            "Transaction::on(self).record(&removal)?.book(",
        )],
    },
    Mistake {
        name: "an operator's booking is not bound to its reference",
        patch: &[(
            CREDITS,
            r#".put("reference", to_item(key.clone(), None, &booking)?, &Condition::absent())?"#,
            r#".put("reference", to_item(key.clone(), None, &booking)?, &Condition::new("attribute_not_exists(nothing)"))?"#,
        )],
    },
    Mistake {
        name: "a debit does not look at the balance",
        patch: &[(CREDITS, r#"condition.and("balanceMicroUsd >= :debit")"#, r#"condition.and(":debit = :debit")"#)],
    },
    Mistake {
        name: "customer events are written beside the transaction",
        patch: &[(
            AUDIT,
            "customer.iter().try_fold(recorded, |transaction, (id, event)| transaction.feed_event(id, event))",
            "for (id, event) in customer { \
                 let (table, event) = (recorded.table.clone(), event.clone()); \
                 tokio::spawn(async move { \
                     if let Ok(alone) = Transaction::on(&table).feed_event(&id, &event) { drop(alone.commit().await); } \
                 }); \
             } \
             Ok(recorded)",
        )],
    },
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

#[test]
fn every_mistake_on_purpose_fits_the_source_and_is_caught_when_it_is_built() {
    for Mistake { name, patch } in MISTAKES {
        for (file, old, _) in *patch {
            let source = fs::read_to_string(root().join(file)).expect("a source file");
            assert_eq!(source.matches(old).count(), 1, "{name}: {file} should hold once: {old}");
        }
    }
    match setting("MISTAKES") {
        Some(wanted) => build(&wanted),
        None => println!("not built: MISTAKES=all builds and runs {} spoilt copies of the source", MISTAKES.len()),
    }
}

/// Builds and runs the copies that are spoilt by a mistake of this name, or all.
fn build(wanted: &str) {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mistakes");
    copy_source(&copy);
    let mut table = String::from("| mistake | seed | what the audit says |\n|---|---|---|\n");
    let mut missed = Vec::new();
    for mistake in MISTAKES.iter().filter(|mistake| wanted == "all" || mistake.name.contains(wanted)) {
        match caught(&copy, mistake) {
            Ok((seed, said)) => {
                println!("{}: seed {seed}: {said}", mistake.name);
                writeln!(table, "| {} | {seed} | {said} |", mistake.name).expect("text");
            }
            Err(output) => missed.push(format!("{}:\n{output}", mistake.name)),
        }
    }
    fs::write(copy.with_extension("md"), &table).expect("the list is written");
    assert!(missed.is_empty(), "not caught: {}", missed.join("\n\n"));
}

/// The source as it is now, without what is built.
fn copy_source(copy: &Path) {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    for file in String::from_utf8(listed.stdout).expect("paths").split_terminator('\0') {
        let (from, to) = (root().join(file), copy.join(file));
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        let source = fs::read(from).expect("a file");
        if fs::read(&to).ok().as_ref() != Some(&source) {
            fs::write(to, source).expect("a file is copied");
        }
    }
}

/// The seed that catches a mistake, and the first thing that it says; otherwise the end of what was printed.
fn caught(copy: &Path, mistake: &Mistake) -> Result<(String, String), String> {
    for (file, old, new) in mistake.patch {
        let source = fs::read_to_string(copy.join(file)).expect("a source file");
        fs::write(copy.join(file), source.replacen(old, new, 1)).expect("a patch");
    }
    let run = Command::new(setting("CARGO").unwrap_or_else(|| "cargo".to_owned()))
        .args(["test", "--package", "tests", "--test", "simulation", "the_books"])
        .env("SIMULATION_SEEDS", "100")
        .env("CARGO_TARGET_DIR", copy.with_extension("target"))
        .current_dir(copy)
        .output()
        .expect("cargo");
    for (file, _, _) in mistake.patch {
        fs::copy(root().join(file), copy.join(file)).expect("the source again");
    }
    let output = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    let found = output.split_once("seed ").and_then(|(_, rest)| {
        let (seed, rest) = rest.split_once(" went wrong")?;
        let said = rest.lines().map(str::trim).find(|line| line.starts_with('"'))?;
        Some((seed.to_owned(), anonymous(said)))
    });
    found.ok_or_else(|| {
        output.lines().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    })
}

/// A sentence of the audit's without its time and its quotes, and with ids cut short.
fn anonymous(said: &str) -> String {
    let said = said.trim_matches(|sign| sign == '"' || sign == ',');
    let said = said.split_once("Z: ").map_or(said, |(_, said)| said).replace('|', "/").replace("\\\"", "");
    let short = |word: &str| match word.split_once("pn_") {
        Some((before, id)) => format!("{before}pn_…{}", id.get(26..).unwrap_or_default()),
        None => word.to_owned(),
    };
    said.split(' ').map(short).collect::<Vec<_>>().join(" ")
}
