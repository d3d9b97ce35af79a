//! What these routes work with.

use std::sync::Arc;

use axum::extract::FromRef;
use domain::organization::PurchasePolicy;
use domain::{Clock, Randomness};
use runtime::Start;
use runtime::message::SubmissionHandle;
use runtime::queue::Queue;
use runtime::settings::{SettingsError, Terms};
use table::Table;
use web::Reception;

pub(crate) const OVERVIEW: &str = "/v1/phone-numbers/kyb";
pub(crate) const DRAFT: &str = "/v1/phone-numbers/kyb/draft";
pub(crate) const SUBMIT: &str = "/v1/phone-numbers/kyb/submit";

/// What these routes work with.
#[derive(Clone)]
pub(crate) struct App {
    reception: Reception,
    pub(crate) table: Table,
    /// Which state of a verification is enough to buy.
    pub(crate) policy: PurchasePolicy,
    /// The operator's terms of service, which clients show beside the attestation.
    pub(crate) terms: Terms,
    pub(crate) queue: Queue<SubmissionHandle>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) randomness: Arc<dyn Randomness>,
}

impl App {
    pub(crate) fn from_start(start: &Start) -> Result<Self, SettingsError> {
        let (table, clock, settings) = (Table::from_start(start)?, start.clock.clone(), &start.settings);
        Ok(Self {
            reception: Reception::from_start(start, &table)?,
            table,
            policy: settings.purchase_policy()?,
            terms: settings.terms()?,
            queue: Queue::from_start(start)?,
            clock,
            randomness: start.randomness.clone(),
        })
    }
}

impl FromRef<App> for Reception {
    fn from_ref(app: &App) -> Self {
        app.reception.clone()
    }
}
