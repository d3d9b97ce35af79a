//! What becomes of an order whose outcome nobody has recorded.

use std::time::Duration;

use crate::carrier::{CarrierNumberId, OrderStanding};

/// After this long without a word from the carrier, a person decides.
pub const HANDED_OVER_AFTER: Duration = Duration::from_hours(24);

/// What is done about an order in doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The number is ours.
    Adopt(CarrierNumberId),
    /// The carrier will certainly not deliver.
    GiveBack,
    /// Ask again later.
    Wait,
    /// Keep everything as it is, and tell a person.
    HandOver,
}

impl Settlement {
    /// Decides from what the carrier says of the number and of the order, and from the order's age.
    ///
    /// Owning the number outweighs everything. Only a failed order is a no: what is not listed may still be on its way.
    /// Where several orders are listed, a person decides at once, because asking again will not tell them apart.
    #[must_use]
    pub fn decide(owned: Option<CarrierNumberId>, order: OrderStanding, age: Duration) -> Self {
        match (owned, order) {
            (Some(resource), _) => Self::Adopt(resource),
            (None, OrderStanding::Failed) => Self::GiveBack,
            (None, OrderStanding::Several) => Self::HandOver,
            (None, OrderStanding::Unlisted | OrderStanding::Open | OrderStanding::Done) => {
                if age < HANDED_OVER_AFTER {
                    Self::Wait
                } else {
                    Self::HandOver
                }
            }
        }
    }
}

/// When to ask again about something that is this old: soon at first, then every quarter of an hour.
#[must_use]
pub fn ask_again_after(age: Duration) -> Duration {
    age.clamp(Duration::from_mins(1), Duration::from_mins(15))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failed_order_gives_the_money_back() {
        let resource = || CarrierNumberId::parse("1").unwrap();
        let (young, old) = (Duration::from_mins(5), HANDED_OVER_AFTER);
        for order in [OrderStanding::Unlisted, OrderStanding::Open, OrderStanding::Done, OrderStanding::Failed] {
            assert_eq!(Settlement::decide(Some(resource()), order, old), Settlement::Adopt(resource()));
        }
        for order in [OrderStanding::Unlisted, OrderStanding::Open, OrderStanding::Done] {
            assert_eq!(Settlement::decide(None, order, young), Settlement::Wait, "{order:?}");
            assert_eq!(Settlement::decide(None, order, old), Settlement::HandOver, "{order:?}");
        }
        assert_eq!(Settlement::decide(None, OrderStanding::Several, young), Settlement::HandOver);
        assert_eq!(Settlement::decide(Some(resource()), OrderStanding::Several, young), Settlement::Adopt(resource()));
        assert_eq!(Settlement::decide(None, OrderStanding::Failed, young), Settlement::GiveBack);
        assert_eq!(Settlement::decide(None, OrderStanding::Failed, old), Settlement::GiveBack);
    }

    #[test]
    fn questions_grow_rare_but_never_stop() {
        assert_eq!(ask_again_after(Duration::ZERO), Duration::from_mins(1));
        assert_eq!(ask_again_after(Duration::from_mins(5)), Duration::from_mins(5));
        assert_eq!(ask_again_after(Duration::from_hours(20)), Duration::from_mins(15));
    }
}
