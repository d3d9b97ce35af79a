//! What an event asks the function to do.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sweep::SweepOrder;

/// What the function does, as an event says it: `{"task":"sweep"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "camelCase", deny_unknown_fields)]
pub enum Task {
    /// Settles what is due. The braces make serde refuse words beside it.
    Settle {},
    /// Compares the carrier's numbers with the table.
    Sweep(SweepOrder),
}

impl Task {
    /// Reads an event. One without a task is the schedule's own, which settles.
    ///
    /// # Errors
    /// The event asks for a task that there is not, or for one in a way that is not understood. A misspelt word is never
    /// passed over, because without it another thing would be done.
    pub fn read(event: Value) -> Result<Self, String> {
        if event.get("task").is_none() {
            return Ok(Self::Settle {});
        }
        serde_json::from_value(event).map_err(|error| {
            format!(
                r#"the event cannot be understood: {error}; its task is "settle", or "sweep" with apply, most, from"#
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::From;
    use domain::OrganizationId;
    use domain::carrier::CarrierNumberId;
    use serde_json::json;
    use std::num::NonZeroU32;

    #[test]
    fn an_event_without_a_task_settles() {
        for event in
            [json!({}), json!(null), json!([]), json!("sweep"), json!({ "source": "aws.events", "detail": {} })]
        {
            assert_eq!(Task::read(event.clone()).unwrap(), Task::Settle {}, "{event}");
        }
        assert_eq!(Task::read(json!({ "task": "settle" })).unwrap(), Task::Settle {});
    }

    #[test]
    fn a_sweep_is_dry_unless_told_otherwise_and_goes_on_where_it_is_told_to() {
        let dry = SweepOrder::default();
        let orphans = vec![CarrierNumberId::parse("12").unwrap()];
        assert!(!dry.apply);
        assert_eq!(Task::read(json!({ "task": "sweep" })).unwrap(), Task::Sweep(dry));
        for (event, order) in [
            (json!({ "task": "sweep", "apply": true }), SweepOrder { apply: true, ..SweepOrder::default() }),
            (
                json!({ "task": "sweep", "from": { "carrier": { "page": 7, "orphans": ["12"] } }, "most": 500 }),
                SweepOrder {
                    from: From::Carrier { page: NonZeroU32::new(7).unwrap(), orphans: orphans.clone() },
                    most: 500,
                    ..SweepOrder::default()
                },
            ),
            (
                json!({ "task": "sweep", "from": { "orphans": ["12"] } }),
                SweepOrder { from: From::Orphans(orphans), ..SweepOrder::default() },
            ),
            (
                json!({ "task": "sweep", "from": { "table": { "shard": 0, "after": " " } } }),
                SweepOrder { from: From::Table(table::Place::start()), ..SweepOrder::default() },
            ),
            (
                json!({ "task": "sweep", "from": { "books": "org_1" } }),
                SweepOrder { from: From::Books(OrganizationId::parse("org_1").ok()), ..SweepOrder::default() },
            ),
            (
                json!({ "task": "sweep", "from": { "books": null } }),
                SweepOrder { from: From::Books(None), ..SweepOrder::default() },
            ),
        ] {
            let task = Task::read(event).unwrap();
            assert_eq!(task, Task::Sweep(order));
            assert_eq!(Task::read(serde_json::to_value(&task).unwrap()).unwrap(), task, "it is told as it is written");
        }
    }

    #[test]
    fn an_event_that_is_misspelt_is_refused_with_the_words_that_are_accepted() {
        for event in [
            json!({ "task": "sweeep" }),
            json!({ "task": "" }),
            json!({ "task": null }),
            json!({ "task": 1 }),
            json!({ "task": "settle", "apply": true }),
            json!({ "task": "sweep", "aply": true }),
            json!({ "task": "sweep", "apply": "true" }),
            json!({ "task": "sweep", "apply": null }),
            json!({ "task": "sweep", "most": -1 }),
            json!({ "task": "sweep", "from": 7 }),
            json!({ "task": "sweep", "most": 501 }),
            json!({ "task": "sweep", "from": { "carrierPage": 7 } }),
            // Without the orphans of the pages before it nobody could say how many there are.
            json!({ "task": "sweep", "from": { "carrier": { "page": 7 } } }),
            json!({ "task": "sweep", "from": { "carrier": { "page": 0, "orphans": [] } } }),
            json!({ "task": "sweep", "from": { "carrier": { "page": 1, "orphans": [], "count": 1 } } }),
            json!({ "task": "sweep", "from": { "orphans": ["../1"] } }),
            json!({ "task": "sweep", "from": { "table": { "shard": 8, "after": "2026" } } }),
            json!({ "task": "sweep", "from": { "table": { "shard": 0, "after": "" } } }),
            json!({ "task": "sweep", "from": { "books": "no id" } }),
        ] {
            let refused = Task::read(event.clone()).unwrap_err();
            assert!(refused.contains(r#""settle", or "sweep""#), "{event}: {refused}");
        }
    }
}
