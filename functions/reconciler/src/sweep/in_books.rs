//! The books' side: ledgers that do not add up to the balance, and customer events that are missing.

use domain::{Error, OrganizationId, Result};
use futures_util::future::join_all;

use super::{From, Stopped, Sweep, in_time};
use crate::Reconciler;

/// How many organizations are looked at at once.
const AT_ONCE: usize = 5;

impl Sweep<'_> {
    /// Compares the books of every organization after this one; from the first one on when it is `None`.
    pub(super) async fn compare_books(&mut self, mut after: Option<OrganizationId>) -> Result<(), Stopped> {
        loop {
            let last = match self.compare_some(after.as_ref()).await {
                Ok(last) => last,
                Err(cause) => return Err(Stopped { from: From::Books(after), cause }),
            };
            if last.is_none() {
                return Ok(());
            }
            after = last;
        }
    }

    /// The last organization that was looked at; `None` when no more follow.
    async fn compare_some(&mut self, after: Option<&OrganizationId>) -> Result<Option<OrganizationId>> {
        in_time(self.deadline)?;
        let Reconciler { table, clock, .. } = self.reconciler;
        let organizations = table.organization_ids(after, AT_ONCE).await?;
        let now = clock.now();
        let mut audits = join_all(organizations.iter().map(|organization| table.audit_books(organization, now))).await;
        // All of them or none, because the next part begins with the first one again.
        if let Some(busy) = audits.iter().position(|audit| matches!(audit, Err(Error::Busy(_)))) {
            return audits.swap_remove(busy).map(|_| None);
        }
        for (organization, audit) in organizations.iter().zip(audits) {
            self.report.in_books.add(organization, audit);
        }
        Ok(organizations.into_iter().last())
    }
}
