//! Numbers whose last four digits make the sandbox carrier misbehave.
//!
//! Searches offer such a number only when exactly it is searched for, so nobody meets one by accident.

/// Makes [`Magic`] from one table: its name, the digits, and what happens.
macro_rules! magic {
    ($($magic:ident $digits:literal $happens:literal;)+) => {
        /// What a number's last four digits bring about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Magic {
            $(#[doc = concat!("`", $digits, "`: ", $happens)] $magic,)+
        }

        impl Magic {
            #[cfg(test)]
            pub(super) const ALL: &'static [Self] = &[$(Self::$magic),+];

            /// The last four digits of such a number.
            #[must_use]
            pub const fn digits(self) -> &'static str {
                match self {
                    $(Self::$magic => $digits,)+
                }
            }

            /// The magic of a number, or of any text that ends as one.
            pub(super) fn of(number: &str) -> Option<Self> {
                match number.get(number.len().checked_sub(4)?..)? {
                    $($digits => Some(Self::$magic),)+
                    _ => None,
                }
            }
        }
    };
}

magic! {
    Slow "0202" "the order is accepted and stays pending for a minute, longer than a purchase waits; then the number is there";
    NoMoney "0402" "the order is refused because our account at the carrier has no money (402, code 20100)";
    Taken "0404" "it is offered, but the order is refused as taken (422, code 10027)";
    FailsOnce "0408" "the first order is accepted as pending and fails later; the next one succeeds";
    FailsLater "0409" "the order is accepted as pending and fails later; no number ever appears";
    Gone "0410" "it is gone between one search and the next: an exact search finds nothing, and an order is refused as taken";
    LockedRelease "0422" "it can be bought; its first release is refused for a deletion lock (422, code 10027), the next one succeeds";
    Throttled "0429" "the order is throttled (429, code 10011); nothing was ordered";
    FailedAnswer "0500" "the order is accepted, but the answer is a 500";
    Down "0503" "the carrier is down: every call that names the number answers 503";
    LostAnswer "0504" "the order is accepted, but the answer never comes";
    NoAnswer "0505" "the order is not accepted, and the answer never comes";
    StickyRelease "0523" "it can be bought; its first release answers 503, the next one succeeds";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_magic_when_it_ends_in_listed_digits() {
        for magic in Magic::ALL {
            assert_eq!(Magic::of(&format!("+1415555{}", magic.digits())), Some(*magic));
        }
        for plain in ["", "202", "+14155550203", "+14155550é"] {
            assert_eq!(Magic::of(plain), None, "{plain}");
        }
    }
}
