//! How often an organization has searched within a minute.

use std::time::Duration;

use domain::{Error, OrganizationId, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::item::{time, to_item};
use crate::keys::Key;
use crate::optimistic::Rounds;
use crate::transaction::Condition;

const WINDOW: Duration = Duration::from_mins(1);
/// Searches that an organization may make within a window. A window begins with the first search after the one before.
const SEARCHES_PER_WINDOW: u32 = 60;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchesItem {
    window_starts_at: String,
    searches: u32,
    /// Seconds since 1970. Only tidies up: an old window is recognised by its start.
    expires_at: i64,
}

impl Table {
    /// Counts one search of the carrier's stock.
    ///
    /// # Errors
    /// [`Error::RateLimited`] for the 61st within a window of one minute.
    pub async fn count_search(&self, organization: &OrganizationId, now: Timestamp) -> Result<()> {
        let oldest = Timestamp::from_millis(now.millis() - i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX) + 1);
        let within = Condition::new("windowStartsAt >= :oldest AND searches < :most")
            .text(":oldest", &oldest.to_string())
            .number(":most", SEARCHES_PER_WINDOW)
            .number(":one", 1);
        let key = Key::searches(organization);
        // The usual case is one write; a window has to be opened once a minute, and others may be opening it too.
        let mut rounds = Rounds::of("searches of one organization contend for their window");
        loop {
            let counted = self.update_if(key.clone(), "ADD searches :one", within.clone()).await?;
            if counted {
                return Ok(());
            }
            let window = self.get::<SearchesItem>(key.clone()).await?;
            let opened = match &window {
                None => Condition::absent(),
                Some(window) => {
                    let start = time("windowStartsAt", &window.window_starts_at)?;
                    if start >= oldest && window.searches >= SEARCHES_PER_WINDOW {
                        return Err(Error::RateLimited { retry_after: start.plus(WINDOW).since(now) });
                    }
                    Condition::new("windowStartsAt = :old").text(":old", &window.window_starts_at)
                }
            };
            let fresh = SearchesItem {
                window_starts_at: now.to_string(),
                searches: 1,
                expires_at: now.plus(2 * WINDOW).seconds(),
            };
            let open = window.is_some_and(|window| window.window_starts_at >= oldest.to_string());
            if !open && self.put_if(to_item(key.clone(), None, &fresh)?, &opened).await? {
                return Ok(());
            }
            rounds.raced().await?;
        }
    }
}
