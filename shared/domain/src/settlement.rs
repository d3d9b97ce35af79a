//! What becomes of an order whose outcome nobody has recorded.

use std::time::Duration;

use crate::carrier::{CarrierNumberId, OrderStanding};
use crate::{E164, OrganizationId, PhoneNumberId, Timestamp};

/// After this long without a word from the carrier, a person decides.
pub const HANDED_OVER_AFTER: Duration = Duration::from_hours(24);
/// An order is sent within this time of its payment, or not at all. Together with the longest time-out of a request it
/// is far below [`ABSENT_AFTER`].
pub const SENT_WITHIN: Duration = Duration::from_mins(1);
/// From this age of an order on, a look at the carrier may count as proof that the order was never taken.
pub const ABSENT_AFTER: Duration = Duration::from_mins(30);
/// The least time between the two looks of that proof: the carrier's lists are behind for seconds, at times for minutes.
pub const LOOKS_APART: Duration = Duration::from_mins(10);
/// When the carrier is asked again about an order that was refunded as never taken, counted from the refund.
pub const LATE_ORDER_LOOKS: [Duration; 3] =
    [Duration::from_hours(1), Duration::from_hours(24), Duration::from_hours(7 * 24)];

/// What one look at the carrier has found of an order in doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// The number is ours, and in use.
    Owned(CarrierNumberId),
    /// The number is ours, and the carrier is still preparing it.
    Preparing,
    /// The number is not ours; this is how its order stands.
    Order(OrderStanding),
    /// Nothing is listed under the order's reference, and the carrier offers the number for sale.
    OfferedAgain,
}

/// A number whose order nobody has taken as far as we know: what its row remembers of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    pub ordered_at: Timestamp,
    /// The first of the looks that found the number offered again, if no later one has found anything else.
    pub absent_since: Option<Timestamp>,
}

/// What is done about an order in doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The number is ours.
    Adopt(CarrierNumberId),
    /// The carrier has given the order up.
    Refund,
    /// The carrier was never told to deliver, as two looks have shown. The order may still arrive, so the carrier is asked
    /// again after the refund.
    RefundAbsent,
    /// Ask again later, and remember since when the number has been offered again.
    Wait { absent_since: Option<Timestamp> },
    /// Keep everything as it is, and tell a person.
    HandOver,
}

impl Settlement {
    /// Decides from what the carrier says, and from what the row remembers of earlier looks.
    ///
    /// Owning the number outweighs everything. A failed order is a no. An order that is not listed is not a no, because it
    /// may be on its way. But a number that the carrier sells to others is not ours, and two looks rule out a list that
    /// is behind. Where several orders are listed, a person decides at once, because asking again will
    /// not tell them apart.
    #[must_use]
    pub fn decide(look: Look, doubt: Doubt, now: Timestamp) -> Self {
        let Doubt { ordered_at, absent_since } = doubt;
        match look {
            Look::Owned(resource) => Self::Adopt(resource),
            Look::Order(OrderStanding::Failed) => Self::Refund,
            Look::Order(OrderStanding::Several) => Self::HandOver,
            Look::OfferedAgain if !may_be_absent(now.since(ordered_at)) => Self::Wait { absent_since: None },
            Look::OfferedAgain => match absent_since {
                Some(first) if now.since(first) >= LOOKS_APART => Self::RefundAbsent,
                earlier => Self::Wait { absent_since: earlier.or(Some(now)) },
            },
            Look::Preparing | Look::Order(OrderStanding::Unlisted | OrderStanding::Open | OrderStanding::Done) => {
                if now.since(ordered_at) < HANDED_OVER_AFTER {
                    Self::Wait { absent_since: None }
                } else {
                    Self::HandOver
                }
            }
        }
    }
}

/// Whether an order of this age is so old that a number which is offered again says something about it.
#[must_use]
pub fn may_be_absent(age: Duration) -> bool {
    age >= ABSENT_AFTER
}

/// An order whose purchase was refunded because the carrier had never got it. If it arrives later, its number is released,
/// because nobody here pays for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateOrder {
    pub organization: OrganizationId,
    /// The id of the number that it was sent for, which is its reference.
    pub reference: PhoneNumberId,
    pub e164: E164,
    pub refunded_at: Timestamp,
    /// How many of [`LATE_ORDER_LOOKS`] are over.
    pub looks: usize,
}

impl LateOrder {
    /// When the carrier is asked next; `None` once every look is over.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        LATE_ORDER_LOOKS.get(self.looks).map(|after| self.refunded_at.plus(*after))
    }

    /// After a look that found nothing under way.
    #[must_use]
    pub fn looked(mut self) -> Self {
        self.looks += 1;
        self
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

    const ORDERED: Timestamp = Timestamp::from_millis(1_784_000_000_000);

    /// What is decided so many minutes after the order, where the number has been offered again since `absent`.
    fn decided(look: &Look, minutes: u64, absent: Option<u64>) -> Settlement {
        let at = |minutes| ORDERED.plus(Duration::from_mins(minutes));
        let doubt = Doubt { ordered_at: ORDERED, absent_since: absent.map(at) };
        Settlement::decide(look.clone(), doubt, at(minutes))
    }

    #[test]
    fn owning_the_number_outweighs_everything_and_only_a_failed_order_is_a_no_by_itself() {
        const DAY: u64 = 24 * 60;
        let resource = || CarrierNumberId::parse("1").unwrap();
        for absent in [None, Some(1)] {
            for (look, young, old) in [
                (Look::Owned(resource()), Settlement::Adopt(resource()), Settlement::Adopt(resource())),
                (Look::Order(OrderStanding::Failed), Settlement::Refund, Settlement::Refund),
                (Look::Order(OrderStanding::Several), Settlement::HandOver, Settlement::HandOver),
                (Look::Order(OrderStanding::Unlisted), Settlement::Wait { absent_since: None }, Settlement::HandOver),
                (Look::Order(OrderStanding::Open), Settlement::Wait { absent_since: None }, Settlement::HandOver),
                (Look::Order(OrderStanding::Done), Settlement::Wait { absent_since: None }, Settlement::HandOver),
                (Look::Preparing, Settlement::Wait { absent_since: None }, Settlement::HandOver),
            ] {
                assert_eq!(decided(&look, 5, absent), young, "{look:?}");
                assert_eq!(decided(&look, DAY, absent), old, "{look:?}");
            }
        }
    }

    #[test]
    fn an_order_was_never_taken_when_its_number_is_offered_again_at_two_looks_long_after_it() {
        let since = |minutes: u64| Settlement::Wait { absent_since: Some(ORDERED.plus(Duration::from_mins(minutes))) };
        let offered = Look::OfferedAgain;
        for (minutes, absent, expected) in [
            (5, None, Settlement::Wait { absent_since: None }),
            (29, None, Settlement::Wait { absent_since: None }),
            (30, None, since(30)),
            (39, Some(30), since(30)),
            (40, Some(30), Settlement::RefundAbsent),
            (48 * 60, None, since(48 * 60)),
            (48 * 60, Some(30), Settlement::RefundAbsent),
        ] {
            assert_eq!(decided(&offered, minutes, absent), expected, "{minutes} {absent:?}");
        }
    }

    #[test]
    fn a_refunded_order_is_looked_for_after_an_hour_a_day_and_a_week() {
        let mut late = LateOrder {
            organization: OrganizationId::parse("org_1").unwrap(),
            reference: PhoneNumberId::new(ORDERED, 1),
            e164: E164::parse("+14155550123").unwrap(),
            refunded_at: ORDERED,
            looks: 0,
        };
        for hours in [1, 24, 168] {
            assert_eq!(late.due(), Some(ORDERED.plus(Duration::from_hours(hours))));
            late = late.looked();
        }
        assert_eq!(late.due(), None);
    }

    #[test]
    fn questions_grow_rare_but_never_stop() {
        assert_eq!(ask_again_after(Duration::ZERO), Duration::from_mins(1));
        assert_eq!(ask_again_after(Duration::from_mins(5)), Duration::from_mins(5));
        assert_eq!(ask_again_after(Duration::from_hours(20)), Duration::from_mins(15));
    }
}
