//! A tenant: whether it may buy, under which policy, and what holds it.

use crate::{Error, OrganizationId, Result, Timestamp, kyb};

/// Which state of the business verification is enough to buy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurchasePolicy {
    Approved,
    /// An operator who trusts first: under review is enough.
    Submitted,
}

impl PurchasePolicy {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Submitted => "submitted",
        }
    }

    /// # Errors
    /// A sentence that names the accepted words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "approved" => Ok(Self::Approved),
            "submitted" => Ok(Self::Submitted),
            _ => Err("must be 'approved' or 'submitted'"),
        }
    }

    /// The states that are enough.
    #[must_use]
    pub const fn accepted(self) -> &'static [kyb::Status] {
        match self {
            Self::Approved => &[kyb::Status::Approved],
            Self::Submitted => &[kyb::Status::Approved, kyb::Status::Submitted],
        }
    }
}

/// Which decision has set a hold. What staff said stands with the submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldReason {
    Rejected,
    Revoked,
}

impl HoldReason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Revoked => "revoked",
        }
    }

    /// # Errors
    /// A sentence that names the accepted words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "rejected" => Ok(Self::Rejected),
            "revoked" => Ok(Self::Revoked),
            _ => Err("must be 'rejected' or 'revoked'"),
        }
    }
}

/// Set by a rejection or a revocation, cleared only by an approval: no purchases, managed numbers out of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub at: Timestamp,
    pub reason: HoldReason,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    pub id: OrganizationId,
    pub name: String,
    pub buying_enabled: bool,
    /// The operator's word for this organization; `None` leaves it to the deployment's policy.
    pub purchase_policy: Option<PurchasePolicy>,
    pub hold: Option<Hold>,
    /// How the current verification stands, which is all that a purchase reads of it; `None` while nothing was submitted
    /// since the last decision, or ever.
    pub verification: Option<kyb::Status>,
    /// The beginning of 1970 for one that was created before this was remembered.
    pub created_at: Timestamp,
    /// 256 random bits that seal this organization's page cursors.
    pub cursor_key: [u8; 32],
}

impl Organization {
    /// The policy in force, given the deployment's.
    #[must_use]
    pub fn policy(&self, deployment: PurchasePolicy) -> PurchasePolicy {
        self.purchase_policy.unwrap_or(deployment)
    }

    /// Whether the verification stands well enough to buy, given the deployment's policy.
    #[must_use]
    pub fn is_verified(&self, deployment: PurchasePolicy) -> bool {
        self.verification.is_some_and(|status| self.policy(deployment).accepted().contains(&status))
    }

    /// The first gates of a purchase, in the order in which callers are told of them.
    ///
    /// # Errors
    /// The first gate that is shut.
    pub fn may_buy(&self, deployment: PurchasePolicy) -> Result<()> {
        if !self.buying_enabled {
            return Err(Error::BuyingDisabled);
        }
        if self.hold.is_some() {
            return Err(match self.verification {
                Some(kyb::Status::Submitted) => Error::KybSuspendedUnderReview,
                _ => Error::KybSuspended,
            });
        }
        if self.is_verified(deployment) { Ok(()) } else { Err(Error::KybRequired) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kyb::Status;

    fn organization() -> Organization {
        Organization {
            id: OrganizationId::parse("org_1").unwrap(),
            name: "Acme".into(),
            buying_enabled: true,
            purchase_policy: None,
            hold: None,
            verification: None,
            created_at: Timestamp::from_millis(0),
            cursor_key: [0; 32],
        }
    }

    #[test]
    fn the_flag_comes_before_the_hold_and_the_hold_before_the_verification() {
        let mut org = organization();
        org.hold = Some(Hold { at: Timestamp::from_millis(0), reason: HoldReason::Rejected });
        org.buying_enabled = false;
        let verdict = |org: &Organization| org.may_buy(PurchasePolicy::Approved).unwrap_err();
        assert!(matches!(verdict(&org), Error::BuyingDisabled));
        org.buying_enabled = true;
        assert!(matches!(verdict(&org), Error::KybSuspended));
        org.verification = Some(Status::Submitted);
        let waiting = org.may_buy(PurchasePolicy::Submitted);
        assert!(matches!(waiting, Err(Error::KybSuspendedUnderReview)), "another submission would be refused");
        (org.hold, org.verification) = (None, None);
        assert!(matches!(verdict(&org), Error::KybRequired));
    }

    #[test]
    fn the_policy_decides_whether_under_review_is_enough() {
        let mut org = organization();
        for (policy, status, allowed) in [
            (PurchasePolicy::Approved, Some(Status::Approved), true),
            (PurchasePolicy::Approved, Some(Status::Submitted), false),
            (PurchasePolicy::Submitted, Some(Status::Submitted), true),
            (PurchasePolicy::Submitted, Some(Status::Approved), true),
            (PurchasePolicy::Submitted, Some(Status::Draft), false),
            (PurchasePolicy::Submitted, Some(Status::Rejected), false),
            (PurchasePolicy::Submitted, Some(Status::Revoked), false),
            (PurchasePolicy::Approved, None, false),
        ] {
            org.verification = status;
            assert_eq!(org.may_buy(policy).is_ok(), allowed, "{policy:?} {status:?}");
        }
        org.purchase_policy = Some(PurchasePolicy::Approved);
        org.verification = Some(Status::Submitted);
        assert!(org.may_buy(PurchasePolicy::Submitted).is_err());
    }
}
