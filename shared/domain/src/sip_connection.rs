//! A customer's SIP connection, through which its own numbers are reached.

use crate::{Name, SipConnectionId};

/// A SIP connection that the organization has installed on the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipConnection {
    pub id: SipConnectionId,
    /// Who runs the trunk, such as `Twilio`.
    pub provider_name: Name,
    /// False while the platform cannot reach the trunk.
    pub connected: bool,
}
