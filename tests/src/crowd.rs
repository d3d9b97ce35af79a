//! Many numbers at once. They are written past the product, because importing them one by one would take minutes.

use std::time::Duration;

use domain::{Clock, OrganizationId, PhoneNumberId, Timestamp};
use serde_json::{Value, json};

use crate::TestApp;

/// The most items that DynamoDB takes in one batch.
const BATCH: usize = 25;

/// Imported numbers of one organization that cost a dollar a month, the first of which is due for its first month since
/// `due_for`, each other one a second less.
///
/// # Panics
/// The engine does not answer.
pub async fn numbers_due(app: &TestApp, organization: &OrganizationId, count: u64, due_for: Duration) {
    let begun = app.clock.now().minus(due_for);
    write(app, organization, (0..count).map(|place| begun.plus(Duration::from_secs(place)))).await;
}

/// Imported numbers of one organization that cost a dollar a month, and whose months begin within the next hour.
///
/// # Panics
/// The engine does not answer.
pub async fn numbers_due_within_an_hour(app: &TestApp, organization: &OrganizationId, count: u64) {
    let begins = app.clock.now().plus(Duration::from_secs(10));
    write(app, organization, (0..count).map(|place| begins.plus(Duration::from_millis(place * 3_500_000 / count))))
        .await;
}

async fn write(app: &TestApp, organization: &OrganizationId, due: impl Iterator<Item = Timestamp>) {
    let put = |(place, due)| json!({ "PutRequest": { "Item": row(organization, place, due) } });
    let rows: Vec<Value> = (0..).zip(due).map(put).collect();
    for batch in rows.chunks(BATCH) {
        let items = json!({ "RequestItems": { app.bundle.table_name: batch } });
        let answer = app.dynamo.ask("BatchWriteItem", &items).await;
        assert_eq!(answer["UnprocessedItems"], json!({}), "{answer}");
    }
}

fn row(organization: &OrganizationId, place: u64, due: Timestamp) -> Value {
    let anchor = month_before(due);
    let id = PhoneNumberId::new(anchor, rand::random());
    let shard = id.as_str().bytes().last().unwrap_or_default() % 8;
    let text = |text: String| json!({ "S": text });
    json!({
        "PK": text(format!("ORG#{organization}")),
        "SK": text(format!("NUMBER#{id}")),
        "id": text(id.to_string()),
        "organizationId": text(organization.to_string()),
        "e164": text(format!("+44{:010}", 1_000_000_000 + place)),
        "source": text("sip_trunk".to_owned()),
        "sipTrunkId": text("trunk".to_owned()),
        "direction": text("outbound".to_owned()),
        "upfrontMicroUsd": { "N": "0" },
        "monthlyMicroUsd": { "N": "1000000" },
        "nextChargeAt": text(anchor.months_later(1).to_string()),
        "nextMonth": { "N": "1" },
        "createdAt": text(anchor.to_string()),
        "updatedAt": text(anchor.to_string()),
        "version": { "N": "1" },
        "sequence": { "N": "0" },
        "workShard": text(format!("WORK#CHARGE#{shard}")),
        "workDue": text(format!("{}#{id}", anchor.months_later(1))),
    })
}

/// A moment whose first month ends at `due`, or a few days before it where the months are of another length.
fn month_before(due: Timestamp) -> Timestamp {
    let day = Duration::from_hours(24);
    let starts = (28..=31).map(|days| due.minus(day * days));
    starts.into_iter().find(|start| start.months_later(1) == due).unwrap_or_else(|| due.minus(day * 31))
}
