//! What a sweep has found, as it is answered and logged.

use std::time::Duration;

use domain::carrier::{CarrierNumberId, HeldNumber};
use domain::number::PhoneNumber;
use domain::{E164, OrganizationId, PhoneNumberId, Result, chain};
use runtime::alarm::Alarm;
use serde::Serialize;
use table::Books;

use super::NAMED_IN_REPORT;
use crate::Task;

/// What a sweep has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepReport {
    /// False when it was stopped before the end, by time, throttling or a fault.
    pub complete: bool,
    /// The event that goes on where this sweep was stopped.
    pub next: Option<Task>,
    pub at_carrier: CarrierSide,
    pub in_table: TableSide,
    pub in_books: BooksSide,
}

/// Numbers that the carrier holds, as far as this run has read its list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CarrierSide {
    /// Numbers without a reference of ours; nothing is ever done about them.
    pub foreign: u32,
    /// Numbers under a reference of ours whose entry cannot be understood otherwise.
    pub unreadable: u32,
    /// Numbers that an active row names.
    pub matched: u32,
    /// Numbers whose order or release is under way here.
    pub settling: u32,
    pub orphans: u32,
    pub young: u32,
    pub disputed: u32,
    pub strangers: u32,
    /// Orphans that are gone now.
    pub released: u32,
    /// Orphans, of earlier parts of this sweep too, that were to be released and were not, because there are more than
    /// was allowed.
    pub held_back: u32,
    /// Numbers that could not be looked at a second time, or not be released.
    pub failed: u32,
    /// The numbers that are not as they should be: a hundred orphans, or more where more may be released, and a hundred
    /// others.
    pub found: Vec<FoundAtCarrier>,
    /// How many more look wrong at first sight.
    pub more: u32,
}

/// Why a number at the carrier is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Finding {
    /// This deployment has bought it, nobody here has it, and it is old enough to be released.
    Orphan,
    /// Nobody here has it yet, and it is younger than a day.
    Young,
    /// A row here has the phone number, but under another id of the carrier's, or imported; or the row has another phone
    /// number; or it was ordered in the future: a person decides.
    Disputed,
    /// Nobody here has it, and its tags do not say that it is this deployment's: another one's, or one that was never set
    /// up. A person decides.
    Stranger,
}

/// A number at the carrier that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundAtCarrier {
    pub finding: Finding,
    /// The row that it was ordered for.
    pub number_id: String,
    pub carrier_id: String,
    /// What it is tagged with; `None` for one that was never set up.
    pub organization_id: Option<String>,
    pub last4: String,
    /// Whole hours; `None` when it was ordered in the future.
    pub age_hours: Option<u64>,
    pub released: bool,
}

/// Rows of numbers that the carrier has given us.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableSide {
    /// Active rows whose number the carrier holds.
    pub matched: u32,
    /// Rows whose release began meanwhile.
    pub settling: u32,
    pub orphans: u32,
    /// Rows that the carrier could not be asked about.
    pub failed: u32,
    /// The first hundred active rows whose number the carrier does not hold.
    pub found: Vec<FoundInTable>,
    /// How many more there are.
    pub more: u32,
}

/// An active row whose number the carrier does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundInTable {
    pub number_id: String,
    pub organization_id: String,
    pub carrier_id: String,
    pub last4: String,
}

/// The books of organizations, as far as this run has compared them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BooksSide {
    /// Organizations whose ledger adds up to the balance, and who miss no event.
    pub matched: u32,
    /// Organizations whose books do not agree.
    pub wrong: u32,
    /// The first hundred of them.
    pub found: Vec<FoundInBooks>,
}

/// An organization whose books do not agree: `ops audit` shows them whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundInBooks {
    pub organization_id: String,
    /// Why, in words: no amounts and no numbers.
    pub why: String,
}

impl SweepReport {
    pub(super) fn log(&self) {
        let (carrier, table) = (&self.at_carrier, &self.in_table);
        let wrong = carrier.disputed + carrier.strangers + carrier.more + table.orphans + self.in_books.wrong;
        let unknown = carrier.unreadable + carrier.failed + table.failed;
        // As one field, because whoever reads of an orphan needs to know which; of phone numbers it holds the last four digits.
        let report = serde_json::to_string(self).unwrap_or_default();
        if wrong + unknown + carrier.held_back > 0 || carrier.orphans > carrier.released {
            tracing::error!(
                alarm = Alarm::SweepDifferences.as_str(),
                sweep.report = report,
                "the sweep has found differences"
            );
        } else if self.complete {
            tracing::info!(
                sweep.report = report,
                "sweep finished: the carrier's numbers match the table, and the books agree"
            );
        } else {
            tracing::error!(sweep.report = report, "a sweep is not complete; send the event that its report names");
        }
    }
}

impl CarrierSide {
    pub(super) fn add(&mut self, found: FoundAtCarrier) {
        match found.finding {
            Finding::Orphan => self.orphans += 1,
            Finding::Young => self.young += 1,
            Finding::Disputed => self.disputed += 1,
            Finding::Stranger => self.strangers += 1,
        }
        if found.finding == Finding::Orphan || self.has_place() {
            self.found.push(found);
        } else {
            self.more += 1;
        }
    }

    /// Whether one more that is no orphan can be named. Orphans have places of their own.
    pub(super) fn has_place(&self) -> bool {
        self.found.iter().filter(|found| found.finding != Finding::Orphan).count() < NAMED_IN_REPORT
    }

    pub(super) fn release(&mut self, id: &CarrierNumberId) {
        if let Some(found) = self.found.iter_mut().find(|found| found.carrier_id == id.as_str()) {
            found.released = true;
            self.released += 1;
        }
    }
}

impl TableSide {
    pub(super) fn add(&mut self, row: &PhoneNumber, resource: &CarrierNumberId) {
        self.orphans += 1;
        if self.found.len() == NAMED_IN_REPORT {
            self.more += 1;
            return;
        }
        self.found.push(FoundInTable {
            number_id: row.id.to_string(),
            organization_id: row.organization.to_string(),
            carrier_id: resource.as_str().to_owned(),
            last4: last4(&row.e164),
        });
    }
}

impl BooksSide {
    pub(super) fn add(&mut self, organization: &OrganizationId, audit: Result<Books>) {
        let why = match audit {
            Ok(books) if books.agree() => {
                self.matched += 1;
                return;
            }
            Ok(Books { ledger, balance, .. }) if ledger != balance => {
                "the ledger does not add up to the balance".to_owned()
            }
            Ok(_) => "there are gaps between events".to_owned(),
            Err(cause) => chain(&cause),
        };
        self.wrong += 1;
        if self.found.len() < NAMED_IN_REPORT {
            self.found.push(FoundInBooks { organization_id: organization.to_string(), why });
        }
    }
}

impl FoundAtCarrier {
    pub(super) fn new(finding: Finding, number: &HeldNumber, reference: &PhoneNumberId, age: Option<Duration>) -> Self {
        Self {
            finding,
            number_id: reference.to_string(),
            carrier_id: number.id.as_str().to_owned(),
            organization_id: number.owners.first().map(ToString::to_string),
            last4: last4(&number.e164),
            age_hours: age.map(|age| age.as_secs() / 3600),
            released: false,
        }
    }
}

fn last4(number: &E164) -> String {
    let digits = number.digits();
    digits[digits.len().saturating_sub(4)..].to_owned()
}
