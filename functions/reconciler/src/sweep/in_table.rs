//! The table's side: active rows whose number the carrier does not hold.

use std::ops::Range;

use domain::Result;
use domain::chain;
use domain::number::{Order, PhoneNumber, Source};
use table::Place;
use tokio::time::Instant;

use super::{From, Stopped, Sweep, in_time, stops};

impl Sweep<'_> {
    /// Learns the ids on pages that this run has not compared. It takes at most half of the time that is left: what it
    /// does not reach is asked about one by one.
    pub(super) async fn list(&mut self, pages: Range<u32>) -> Result<()> {
        let until = self.deadline - self.left() / 2;
        for page in pages {
            if Instant::now() >= until {
                break;
            }
            let held = self.ask(|| self.reconciler.carrier.held(page)).await?;
            self.listed.extend(held.ids.iter().map(|id| id.as_str().to_owned()));
            if held.last {
                break;
            }
        }
        Ok(())
    }

    /// Walks the rows from `place` on, and says which active ones the carrier has nothing for.
    pub(super) async fn compare_table(&mut self, place: Place) -> Result<(), Stopped> {
        let mut next = Some(place);
        while let Some(place) = next {
            next = match self.compare_rows(&place).await {
                Ok(next) => next,
                Err(cause) => return Err(Stopped { from: From::Table(place), cause }),
            };
        }
        Ok(())
    }

    async fn compare_rows(&mut self, place: &Place) -> Result<Option<Place>> {
        in_time(self.deadline)?;
        let (rows, next) = self.reconciler.table.charged_numbers(place).await?;
        for row in rows {
            let Source::Managed(Order::Active { resource }) = &row.source else { continue };
            if self.listed.contains(resource.as_str()) {
                self.report.in_table.matched += 1;
                continue;
            }
            match self.look_up(&row).await {
                Err(cause) if stops(&cause) => return Err(cause),
                Err(cause) => {
                    self.report.in_table.failed += 1;
                    tracing::warn!(number.id = %row.id, error.cause = %chain(&cause), "a row could not be compared");
                }
                Ok(()) => {}
            }
        }
        Ok(next)
    }

    /// Asks the carrier about a row whose number it has not listed, and then reads the row again.
    async fn look_up(&mut self, row: &PhoneNumber) -> Result<()> {
        in_time(self.deadline)?;
        let Some(resource) = row.resource() else { return Ok(()) };
        let held = self.ask(|| self.reconciler.carrier.held_number(resource)).await?;
        let side = &mut self.report.in_table;
        if held.is_some_and(|held| held.e164 == row.e164) {
            side.matched += 1;
            return Ok(());
        }
        let current = self.reconciler.table.find_number(&row.organization, &row.id).await?;
        if current.is_some_and(|current| current.source == row.source) {
            side.add(row, resource);
        } else {
            side.settling += 1;
        }
        Ok(())
    }
}
