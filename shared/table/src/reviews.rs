//! The verifications that wait for staff's decision, across organizations.

use domain::Result;
use domain::kyb::{Status, Submission};

use crate::Table;
use crate::keys::{Named, Work};

impl Table {
    /// Verifications that wait for a decision, across organizations: those that staff have been told of, then those that
    /// they are still to be told of, each the longest waiting first; at most `limit`.
    pub async fn review_queue(&self, limit: usize) -> Result<Vec<Submission>> {
        let submission = |named| match named {
            Named::Submission(organization, id) => Some((organization, id)),
            Named::Number(..) | Named::LateOrder(..) | Named::Credits(..) => None,
        };
        let told = self.entries(&Work::reviews(), None, limit).await?;
        let told = told.into_iter().filter_map(|entry| entry.named().and_then(submission));
        let untold = self.unsettled(submission).await?;
        let mut waiting: Vec<Submission> = Vec::new();
        for (organization, id) in told.chain(untold) {
            if waiting.len() == limit {
                break;
            }
            // An index is stale by nature: what was decided or told a moment ago may stand there still, or twice.
            let current = self.submission(&organization, &id).await?;
            let current = current.filter(|submission| submission.status() == Status::Submitted);
            waiting.extend(current.filter(|new| waiting.iter().all(|known| known.id != new.id)));
        }
        Ok(waiting)
    }
}
