//! Alarms that hang on a log line.

/// An alarm that a line raises by its field `alarm`. The template has an alarm of the same name, on a filter for that field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// An order or a release waits for a person to decide.
    OrdersHandedOver,
    /// The carrier holds other numbers than the table.
    SweepDifferences,
    /// The carrier refuses our account, our orders or a release, until a person changes something.
    CarrierRefuses,
    /// A number cannot be charged, for another reason than its credits.
    RenewalsFail,
}

impl Alarm {
    pub const ALL: [Self; 4] =
        [Self::OrdersHandedOver, Self::SweepDifferences, Self::CarrierRefuses, Self::RenewalsFail];

    /// Its name in the template, and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrdersHandedOver => "OrdersHandedOver",
            Self::SweepDifferences => "SweepDifferences",
            Self::CarrierRefuses => "CarrierRefuses",
            Self::RenewalsFail => "RenewalsFail",
        }
    }
}
