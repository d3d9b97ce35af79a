//! What a storm comes to: how much happened, and what of it was wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Formatter, Result, Write};

use tests::books::{self, FOR_A_PERSON, Stories, unfinished, violations};
use tests::chance::Struck;

use crate::clients::Scene;
use crate::processes::Toll;
use crate::requests::Deed;

/// Words with digits that are longer than this are names: a status has three.
const LONGEST_FIGURE: usize = 4;
/// How many of each kind of mistake are explained.
const EXPLAINED: usize = 3;

/// How many purchases may wait for a person beside one in a hundred: a short storm has few purchases, so that chance weighs.
const ACCEPTED_FOR_A_PERSON: usize = 5;

pub(crate) struct Figures {
    operations: usize,
    counts: BTreeMap<(Deed, String), usize>,
    toll: Toll,
    lost: usize,
    struck: Struck,
    purchases: usize,
    months: usize,
    for_a_person: usize,
    replayed_otherwise: usize,
    pub(crate) wrong: Vec<String>,
}

impl Figures {
    /// Looks at everything once nothing moves any more.
    pub(crate) async fn take(scene: &Scene, toll: Toll, operations: usize, lost: usize) -> Self {
        let app = &scene.app;
        let ends = books::ends(app).await;
        let mut wrong = violations(app).await;
        wrong.extend(scene.record.judge(&ends));
        let (decided_by_a_person, open): (Vec<_>, Vec<_>) =
            unfinished(app).await.into_iter().partition(|state| state == FOR_A_PERSON);
        let for_a_person = decided_by_a_person.len();
        let (purchases, months) = (ends.paid.len(), ends.renewed.len());
        if months == 0 {
            wrong.push("no month was charged".to_owned());
        }
        if for_a_person > ACCEPTED_FOR_A_PERSON + purchases / 100 {
            wrong.push(format!("{for_a_person} of {purchases} purchases wait for a person"));
        }
        wrong.extend(open.into_iter().map(|state| format!("still open: {state}")));
        wrong.sort();
        Self {
            operations,
            counts: scene.record.counts(),
            toll,
            lost,
            struck: app.dynamo.faults().struck_by_chance(),
            purchases,
            months,
            for_a_person,
            replayed_otherwise: scene.record.replayed_otherwise(),
            wrong,
        }
    }

    /// Everything that is wrong by kind, with the story of the first few of each.
    pub(crate) async fn explain(&self, scene: &Scene) -> String {
        let stories = Stories::read(&scene.app).await;
        let mut kinds: BTreeMap<String, Vec<&String>> = BTreeMap::new();
        for sentence in &self.wrong {
            kinds.entry(kind(sentence)).or_default().push(sentence);
        }
        let mut text = format!("{} wrong:\n", self.wrong.len());
        for (kind, sentences) in &kinds {
            let _ = writeln!(text, "{:>5}  {kind}", sentences.len());
        }
        for sentence in kinds.values().flat_map(|sentences| sentences.iter().take(EXPLAINED)) {
            let _ = writeln!(text, "\n{sentence}");
            for id in sentence.split([' ', ':', ',']).filter(|word| word.starts_with("pn_") || is_long_number(word)) {
                let story = stories.of(id);
                let mut lines = story.lines;
                lines.extend(scene.record.lines_about(&story.id, story.key.as_deref()));
                lines.sort();
                for line in lines {
                    let _ = writeln!(text, "    {line}");
                }
            }
        }
        text
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Toll { deaths, freezes } = self.toll;
        let (operations, lost) = (self.operations, self.lost);
        writeln!(f, "{operations} operations, {deaths} deaths, {freezes} freezes, {lost} lost answers")?;
        let deeds: BTreeSet<Deed> = self.counts.keys().map(|(deed, _)| *deed).collect();
        for deed in deeds {
            let outcomes = self.counts.iter().filter(|((other, _), _)| *other == deed);
            let listed: Vec<_> = outcomes.map(|((_, outcome), count)| format!("{outcome} {count}")).collect();
            writeln!(f, "{deed:?}: {}", listed.join(", "))?;
        }
        for (side, passed) in &self.struck.passed {
            let by_fault = || self.struck.by_fault.iter().filter(|((struck, _), _)| struck == side);
            let struck: usize = by_fault().map(|(_, count)| count).sum();
            let listed: Vec<_> = by_fault().map(|((_, fault), count)| format!("{fault:?} {count}")).collect();
            writeln!(f, "{side:?}: {passed} calls, {struck} struck: {}", listed.join(", "))?;
        }
        writeln!(f, "{} calls were delayed", self.struck.delayed)?;
        let share = 100.0 * to_f64(self.for_a_person) / to_f64(self.purchases.max(1));
        writeln!(f, "{} purchases, of which {} ({share:.1} %) wait for a person", self.purchases, self.for_a_person)?;
        writeln!(f, "{} months were charged", self.months)?;
        writeln!(f, "{} keys whose first success could not be kept", self.replayed_otherwise)?;
        write!(f, "{} wrong", self.wrong.len())
    }
}

fn to_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// A sentence without the names in it.
fn kind(sentence: &str) -> String {
    let nameless = |word: &str| {
        if word.contains("pn_") {
            "<id>".to_owned()
        } else if word.len() > LONGEST_FIGURE && word.bytes().any(|byte| byte.is_ascii_digit()) {
            "<n>".to_owned()
        } else {
            word.to_owned()
        }
    };
    sentence.split(' ').map(nameless).collect::<Vec<_>>().join(" ")
}

/// The carrier's id of a number.
fn is_long_number(word: &str) -> bool {
    word.len() > 12 && word.bytes().all(|byte| byte.is_ascii_digit())
}
