mod brand;
mod calls;
mod meaning;
mod server;

use domain::carrier::PriceLimits;
use domain::{E164, MicroUsd, OrganizationId, PhoneNumberId, Timestamp};

const NUMBER: &str = "+14155550123";
const NUMBER_ID: &str = "2718281828459045235";

fn number() -> E164 {
    E164::parse(NUMBER).unwrap()
}

fn limits() -> PriceLimits {
    let dollars = MicroUsd::from_micros(5_000_000);
    PriceLimits { upfront: dollars, monthly: dollars }
}

fn reference() -> PhoneNumberId {
    PhoneNumberId::new(Timestamp::from_millis(1_784_000_000_000), 7)
}

fn owner() -> OrganizationId {
    OrganizationId::parse("org_1").unwrap()
}

/// Everything that a log could show of an error: its text, its sources, and both as `Debug`.
fn all_of_it(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(|error| format!("{error} {error:?}")).collect::<Vec<_>>().join(" ")
}
