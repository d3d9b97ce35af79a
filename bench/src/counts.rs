//! `make counts`: the instructions of the hot paths, held against the committed counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::process::{Command, ExitCode};

use domain::api_key::ApiKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::callgrind::{self, Callgrind};
use crate::engine::Engine;
use crate::routes::{GET, LIST, PATCH, event, event_of};
use crate::say;
use crate::starts::START;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");
const CHANGELOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../CHANGELOG.md");
const UNRELEASED: &str = "## Unreleased\n\n";
/// A count that differs by more than this has changed.
const TOLERANCE_PERCENT: u64 = 3;
const UNKNOWN_KEY: &str = "look-up of an unknown key";
/// How many calls a count is the mean of.
const CALLS: usize = 20;
/// As the gate reads it: nothing was compared.
const SKIPPED: u8 = 77;

/// The committed file.
#[derive(PartialEq, Serialize, Deserialize)]
struct Counts {
    /// What counts depend on beside the code.
    conditions: Conditions,
    instructions: BTreeMap<String, u64>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct Conditions {
    architecture: String,
    rustc: String,
    valgrind: String,
}

impl Conditions {
    fn here() -> io::Result<Self> {
        Ok(Self {
            architecture: std::env::consts::ARCH.to_owned(),
            rustc: callgrind::said(Command::new("rustc").arg("--version"))?,
            valgrind: callgrind::version()?,
        })
    }

    fn text(&self) -> String {
        format!("{}, {}, {}", self.architecture, self.rustc, self.valgrind)
    }
}

/// Counts, and compares with the committed file. More than the tolerance above it is a failure.
pub(crate) async fn check(function: &str, local: &str) -> io::Result<ExitCode> {
    let (committed, here) = (read()?, Conditions::here()?);
    if committed.conditions != here {
        say(&format!(
            "NOTHING IS COMPARED: the committed counts are of {}, and here is {}. Commit new ones with \
             `make counts-accept`.",
            committed.conditions.text(),
            here.text()
        ))?;
        return Ok(ExitCode::from(SKIPPED));
    }
    let counted = count(function, local).await?;
    say(&format!("instructions\n{}", table(&committed.instructions, &counted)))?;
    if committed.instructions.keys().ne(counted.keys()) {
        say("the committed counts are of other paths: run `make counts-accept`")?;
        return Ok(ExitCode::FAILURE);
    }
    let risen = changed(&committed.instructions, &counted, is_more);
    if !risen.is_empty() {
        say(&format!(
            "over the committed counts by more than {TOLERANCE_PERCENT} %: {}. Find out why; if it has to be, \
             run `make counts-accept WHY='the reason'`.",
            risen.join("; ")
        ))?;
        return Ok(ExitCode::FAILURE);
    }
    let fallen = changed(&committed.instructions, &counted, |old, new| is_more(new, old));
    if !fallen.is_empty() {
        say(&format!("fewer than committed: {}. Keep that with `make counts-accept`.", fallen.join("; ")))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts, and writes the file. What rises has to have a reason, which goes to the changelog.
pub(crate) async fn accept(function: &str, local: &str, why: &str) -> io::Result<ExitCode> {
    let counts = Counts { conditions: Conditions::here()?, instructions: count(function, local).await? };
    let committed = read().ok();
    let old = committed.as_ref().map(|old| old.instructions.clone()).unwrap_or_default();
    say(&format!("instructions\n{}", table(&old, &counts.instructions)))?;
    let comparable = committed.is_some_and(|old| old.conditions == counts.conditions);
    let risen = if comparable { changed(&old, &counts.instructions, is_more) } else { Vec::new() };
    if !risen.is_empty() && why.trim().is_empty() {
        say(&format!("nothing is written, for these rise: {}. Say why: WHY='the reason'.", risen.join("; ")))?;
        return Ok(ExitCode::FAILURE);
    }
    if !risen.is_empty() {
        std::fs::write(CHANGELOG, with_reason(&std::fs::read_to_string(CHANGELOG)?, &risen, why))?;
    }
    std::fs::write(FILE, serde_json::to_string_pretty(&counts)? + "\n")?;
    say("wrote bench/instructions.json")?;
    Ok(ExitCode::SUCCESS)
}

/// The changelog with a line about what has risen.
fn with_reason(changelog: &str, risen: &[String], why: &str) -> String {
    let line = format!("{UNRELEASED}- More instructions ({}): {}\n", risen.join("; "), why.trim());
    changelog.replacen(UNRELEASED, &line, 1)
}

fn read() -> io::Result<Counts> {
    Ok(serde_json::from_str(&std::fs::read_to_string(FILE)?)?)
}

/// The start with its first answer, and each path for one call of a warm process.
async fn count(function: &str, local: &str) -> io::Result<BTreeMap<String, u64>> {
    let engine = Engine::start(local).await?;
    let callgrind = Callgrind::new(function, engine.environment(""));
    let unknown = ApiKey::new([7; 32]);
    let paths = [
        (GET, 200, event("numbers-get", &engine)?),
        (LIST, 200, event("numbers-list", &engine)?),
        (PATCH, 200, event("numbers-update", &engine)?),
        (UNKNOWN_KEY, 401, event_of("numbers-get", unknown.reveal(), &engine.number)?),
    ];
    let mut counts = BTreeMap::new();
    for (name, status, event) in paths {
        say(&format!("counting: {name}"))?;
        engine.forget_rates().await?;
        let first = callgrind.total(&repeated(&event, 1), status).await?;
        let all = callgrind.total(&repeated(&event, 1 + CALLS), status).await?;
        counts.insert(name.to_owned(), all.saturating_sub(first) / CALLS as u64);
        if name == GET {
            counts.insert(START.to_owned(), first);
        }
    }
    Ok(counts)
}

/// The event so many times; each PATCH changes the label.
fn repeated(event: &Value, times: usize) -> Vec<Value> {
    let mut events = vec![event.clone(); times];
    if event["requestContext"]["http"]["method"] == "PATCH" {
        for (number, event) in events.iter_mut().enumerate() {
            // A label that is there already would change nothing, so the next run must not begin with the last one's.
            event["body"] = json!({ "label": format!("Line {times:02} {number:02}") }).to_string().into();
        }
    }
    events
}

fn is_more(old: u64, new: u64) -> bool {
    new * 100 > old * (100 + TOLERANCE_PERCENT)
}

fn changed(old: &BTreeMap<String, u64>, new: &BTreeMap<String, u64>, is: fn(u64, u64) -> bool) -> Vec<String> {
    let both = new.iter().filter_map(|(name, new)| Some((name, *old.get(name)?, *new)));
    both.filter(|(_, old, new)| is(*old, *new)).map(|(name, old, new)| format!("{name} {old} → {new}")).collect()
}

fn table(old: &BTreeMap<String, u64>, new: &BTreeMap<String, u64>) -> String {
    let mut table = format!("{:<28} {:>12} {:>12}\n", "path", "committed", "counted");
    for (name, new) in new {
        let old = old.get(name).map_or("-".to_owned(), u64::to_string);
        let _ = writeln!(table, "{name:<28} {old:>12} {new:>12}");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(count: u64) -> BTreeMap<String, u64> {
        BTreeMap::from([("GET".to_owned(), count)])
    }

    #[test]
    fn a_count_has_risen_only_above_three_percent() {
        assert!(!is_more(1_000, 1_030));
        assert!(is_more(1_000, 1_031));
        assert!(!is_more(1_000, 900));
    }

    #[test]
    fn what_has_risen_is_named_with_both_figures() {
        assert_eq!(changed(&one(1_000), &one(1_100), is_more), ["GET 1000 → 1100"]);
        assert!(changed(&BTreeMap::new(), &one(1_100), is_more).is_empty(), "a new path has risen from nothing");
    }

    #[test]
    fn the_committed_counts_are_of_these_paths() {
        let committed = read().unwrap().instructions;
        assert!(committed.keys().eq([GET, PATCH, LIST, UNKNOWN_KEY, START]), "{committed:?}");
        assert!(committed.values().all(|count| *count > 0), "{committed:?}");
    }

    #[test]
    fn the_reason_for_a_rise_comes_first_in_the_changelog_and_nothing_of_it_is_lost() {
        let changelog = std::fs::read_to_string(CHANGELOG).unwrap();
        let (before, after) = changelog.split_once(UNRELEASED).unwrap();
        let written = with_reason(&changelog, &["GET 1 → 2".to_owned(), "PATCH 3 → 4".to_owned()], " a new field ");
        let line = "- More instructions (GET 1 → 2; PATCH 3 → 4): a new field\n";
        assert_eq!(written, format!("{before}{UNRELEASED}{line}{after}"));
    }
}
