//! The books of an organization, compared with each other. What conditions of writes cannot prevent shows here: `PutItem`
//! can overwrite an entry of the ledger or an event, since DynamoDB has no permission that only creates.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::feed::{KEPT_FOR, LISTED_AFTER};
use domain::{MicroUsd, OrganizationId, Result, Timestamp};

use crate::Table;
use crate::credits::LedgerPlace;
use crate::feed::FeedFilter;

/// Entries and events are read in pages of this many.
const PAGE: usize = 250;
/// How far the clocks of those who write events may be apart. So close to either end of what can be read, an event may be
/// out of reach while the one after it is not.
const CLOCKS_APART: Duration = Duration::from_mins(1);

/// What a comparison of an organization's books has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    pub balance: MicroUsd,
    /// The sum of all entries up to the last one that the balance knows of.
    pub ledger: MicroUsd,
    /// How many entries these are.
    pub entries: usize,
    /// How many customer events were read: those of the last 30 days, up to 30 s ago.
    pub events: usize,
    /// Where the events of a subject do not follow each other.
    pub gaps: Vec<Gap>,
}

/// Two neighboring events of one subject whose sequences do not follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The id of a number or a verification; `credits` for the organization's credits.
    pub subject: String,
    /// The sequence before the gap.
    pub after: u64,
    /// The sequence that comes next: the same one for an event that is there twice.
    pub next: u64,
}

impl Books {
    /// Whether the ledger adds up to the balance and no event is missing.
    #[must_use]
    pub fn agree(&self) -> bool {
        self.ledger == self.balance && self.gaps.is_empty()
    }
}

/// When each event of a subject was written, by its sequence.
type Sequences = BTreeMap<String, Vec<(u64, Timestamp)>>;

impl Table {
    /// Compares an organization's balance with its ledger, and the events of each subject with each other. A ledger that does
    /// not add up is read once more, because a booking under way can show in one item before the other.
    ///
    /// # Errors
    /// [`Error::Busy`](domain::Error::Busy) when the table does not answer; [`Error::Internal`](domain::Error::Internal) when an
    /// item cannot be understood.
    pub async fn audit_books(&self, organization: &OrganizationId, now: Timestamp) -> Result<Books> {
        let mut books = self.add_up(organization).await?;
        if !books.agree() {
            books = self.add_up(organization).await?;
        }
        let sequences = self.sequences(organization, now).await?;
        books.events = sequences.values().map(Vec::len).sum();
        books.gaps = gaps(sequences, now);
        Ok(books)
    }

    async fn add_up(&self, organization: &OrganizationId) -> Result<Books> {
        let credits = self.credits(organization).await?;
        let (mut sum, mut entries) = (0_i64, 0);
        let mut after = credits.booked_at.map(LedgerPlace::behind);
        loop {
            let page = self.ledger(organization, None, after.as_ref(), PAGE).await?;
            entries += page.lines.len();
            sum = page.lines.iter().fold(sum, |sum, line| sum.saturating_add(line.amount.micros()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let ledger = MicroUsd::from_micros(sum);
        Ok(Books { balance: credits.balance, ledger, entries, events: 0, gaps: Vec::new() })
    }

    async fn sequences(&self, organization: &OrganizationId, now: Timestamp) -> Result<Sequences> {
        let (mut found, mut after) = (Sequences::new(), None);
        loop {
            let page = self.feed(organization, &FeedFilter::default(), after.as_ref(), PAGE, now).await?;
            if page.events.is_empty() {
                return Ok(found);
            }
            for event in page.events {
                found.entry(event.about.subject()).or_default().push((event.sequence, event.id.made_at()));
            }
            after = Some(page.next);
        }
    }
}

fn gaps(sequences: Sequences, now: Timestamp) -> Vec<Gap> {
    let oldest = now.minus(KEPT_FOR).plus(CLOCKS_APART);
    let newest = now.minus(LISTED_AFTER).minus(CLOCKS_APART);
    let mut gaps = Vec::new();
    for (subject, mut events) in sequences {
        events.sort_unstable();
        for pair in events.windows(2) {
            let [(after, earlier), (next, later)] = pair else { continue };
            if after.checked_add(1) != Some(*next) && *earlier >= oldest && *later <= newest {
                gaps.push(Gap { subject: subject.clone(), after: *after, next: *next });
            }
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-07-31T00:00:00.000Z").unwrap()
    }

    fn found(events: &[(u64, Timestamp)]) -> Vec<(u64, u64)> {
        let sequences = Sequences::from([("pn_1".to_owned(), events.to_vec())]);
        gaps(sequences, now()).into_iter().map(|gap| (gap.after, gap.next)).collect()
    }

    #[test]
    fn an_event_that_is_missing_or_there_twice_is_a_gap() {
        let day = |days: u64| now().minus(Duration::from_hours(24 * days));
        assert_eq!(found(&[(3, day(3)), (4, day(2)), (5, day(1))]), []);
        assert_eq!(found(&[(3, day(3)), (5, day(1))]), [(3, 5)]);
        assert_eq!(found(&[(3, day(3)), (4, day(2)), (4, day(1))]), [(4, 4)]);
        assert_eq!(found(&[(7, day(2))]), [], "what came before may be older than 30 days");
        assert_eq!(found(&[(4, day(2)), (3, day(1))]), [], "clocks differ, and so the order");
    }

    #[test]
    fn what_may_only_be_out_of_reach_is_no_gap() {
        let ago = |seconds| now().minus(Duration::from_secs(seconds));
        assert_eq!(found(&[(3, ago(500)), (5, ago(31))]), [], "the fourth may be 29 s old");
        let oldest = now().minus(KEPT_FOR);
        assert_eq!(found(&[(3, oldest.plus(Duration::from_secs(1))), (5, ago(500))]), [], "the fourth may be too old");
    }
}
