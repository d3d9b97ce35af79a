//! Finishes a release at the carrier and in the table.

use clients::telnyx::Telnyx;
use domain::audit::Actor;
use domain::carrier::{CarrierNumberId, Release};
use domain::number::PhoneNumber;
use domain::{Error, Result, Timestamp};
use table::Table;

/// Releases a number at the carrier and removes it, its claim and its link. The number is out of use already; wherever
/// this stops, doing it again continues.
///
/// # Errors
/// [`Error::CarrierThrottled`], [`Error::CarrierUnavailable`] when the carrier has not proven that the number is gone;
/// [`Error::NumberBusy`] when the number is not being released; [`Error::Busy`].
pub async fn finish_release(
    table: &Table,
    carrier: &Telnyx,
    number: PhoneNumber,
    actor: &Actor,
    now: Timestamp,
) -> Result<()> {
    if let Some(resource) = number.resource()
        && carrier.release(resource).await? == Release::Unknown
    {
        prove_account(table, carrier, &number, resource).await?;
    }
    match table.remove_number(number, actor, now).await {
        // Somebody else has finished the same release.
        Err(Error::NotFound) => Ok(()),
        removed => removed,
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
