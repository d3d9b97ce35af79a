//! Finishes a release at the carrier and in the table.

use clients::telnyx::Telnyx;
use domain::audit::{Action, Actor};
use domain::carrier::{CarrierNumberId, Release};
use domain::number::{Order, PhoneNumber, Source};
use domain::{Error, Result, Timestamp};
use runtime::alarm::Alarm;
use table::Table;

/// Releases a number at the carrier and removes it, its claim and its link. The number is out of use already; wherever
/// this stops, doing it again continues.
///
/// # Errors
/// [`Error::CarrierThrottled`], [`Error::CarrierUnavailable`] when the carrier has not proven that the number is gone;
/// [`Error::ReleaseRefused`] when it refuses for good, which the row remembers; [`Error::NumberBusy`] when the number is not
/// being released; [`Error::Busy`].
pub async fn finish_release(
    table: &Table,
    carrier: &Telnyx,
    number: PhoneNumber,
    actor: &Actor,
    now: Timestamp,
) -> Result<()> {
    if let Some(resource) = number.resource() {
        match carrier.release(resource).await? {
            Release::Confirmed => {}
            Release::Unknown => prove_account(table, carrier, &number, resource).await?,
            Release::Refused(cause) => return Err(refused(table, number, cause, actor, now).await?),
        }
    }
    match table.remove_number(number, None, actor, now).await {
        // Somebody else has finished the same release.
        Err(Error::NotFound) => Ok(()),
        removed => removed,
    }
}

/// Remembers in the row that the carrier refuses, and tells the operator the first time: whoever asks again hears the same
/// until somebody has changed something at the carrier.
async fn refused(table: &Table, number: PhoneNumber, cause: String, actor: &Actor, now: Timestamp) -> Result<Error> {
    if matches!(number.source, Source::Managed(Order::Releasing { refused_at: None, .. })) {
        tracing::error!(
            alarm = Alarm::CarrierRefuses.as_str(), number.id = %number.id, organization.id = %number.organization,
            error.cause = cause, "the carrier refuses to release a number; look there for a deletion lock"
        );
    }
    let remember = |number: PhoneNumber| number.release_refused(now);
    match table.transition(number, remember, Action::ReleaseRefused, actor).await {
        // Somebody else has finished the same release.
        Ok(_) | Err(Error::NotFound) => Ok(Error::ReleaseRefused(cause.into())),
        Err(error) => Err(error),
    }
}

/// A number that the carrier does not know is gone only if we ask with the account that bought it: with the key of
/// another account, every number would seem gone, and the carrier would go on billing all of them. The account is the
/// right one when it shows another number of this deployment. Where this was the last number, there is none to show.
async fn prove_account(
    table: &Table,
    carrier: &Telnyx,
    number: &PhoneNumber,
    resource: &CarrierNumberId,
) -> Result<()> {
    if carrier.holds_another(resource).await? || !table.has_other_managed(&number.id).await? {
        tracing::warn!(number.id = %number.id, "the carrier no longer has a number that is being released");
        return Ok(());
    }
    let reason = "the carrier's account knows neither this number nor any other number of this deployment";
    tracing::error!(
        number.id = %number.id, organization.id = %number.organization, error.cause = reason,
        "a release cannot be confirmed; check whose API key the carrier's secret holds"
    );
    Err(Error::CarrierUnavailable(reason.into()))
}
