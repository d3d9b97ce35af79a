//! `GET /v1/phone-numbers/events`: what has happened in the last 30 days, in pages that a reader can follow.

use axum::Json;
use axum::extract::State;
use domain::feed::{KEPT_FOR, Kind};
use domain::{EventId, PhoneNumberId, Timestamp};
use serde::Serialize;
use table::FeedFilter;
use utoipa::{IntoParams, IntoResponses, ToSchema};
use web::{ApiResult, Params, Queried, Read, TableApp};

use crate::EVENTS;
use crate::row::EventRow;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MOST: usize = 200;

/// Events, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumberEvents)]
pub(crate) struct EventsPage {
    data: Vec<EventRow>,
    /// Send it as `cursor` to read on, now or later. Every answer has one, also after the last event.
    #[schema(examples("evt_01kwdfkd000000000000000001"))]
    next_cursor: String,
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum EventsAnswers {
    /// Events
    #[response(
        status = 200,
        example = json!({
            "data": [
                {
                    "id": "evt_01kwdfkd000000000000000001", "type": "phone_number.updated",
                    "timestamp": "2026-07-01T00:00:00.000Z", "sequence": 2,
                    "data": {
                        "organizationId": "org_verified",
                        "phoneNumber": {
                            "id": "pn_01kwdfkd000000000000000001", "e164": "+12015551234", "source": "managed",
                            "direction": "both", "agentId": "agent_sales", "label": "Sales line",
                        },
                        "changed": ["agentId", "label"],
                    },
                },
                {
                    "id": "evt_01kwdfkd000000000000000002", "type": "kyb.approved",
                    "timestamp": "2026-07-01T00:00:00.000Z", "sequence": 2,
                    "data": {
                        "organizationId": "org_verified",
                        "kyb": { "id": "kyb_01kwdfkd000000000000000001", "status": "approved" },
                    },
                },
            ],
            "nextCursor": "evt_01kwdfkd000000000000000002",
        })
    )]
    Events(EventsPage),
}

struct Listing {
    filter: FeedFilter,
    after: Option<EventId>,
    limit: usize,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct EventsQuery {
    /// The `nextCursor` of the page before; the oldest events without it.
    cursor: Option<String>,
    /// At most so many events.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u8>,
    /// Only events of this type.
    #[param(inline, value_type = Option<crate::row::EventType>)]
    r#type: Option<String>,
    /// Only events of this number, which may be gone.
    phone_number_id: Option<String>,
}

/// List events
///
/// What has happened to the organization's numbers and verification in the last 30 days, oldest first, up to 30 seconds
/// ago: by then every change is written, so a client that follows `nextCursor` misses no event and sees none twice. When `data`
/// is empty, nothing has followed yet: ask again later, with the `nextCursor` of that answer. A cursor is valid for 30 days.
#[utoipa::path(
    get, path = EVENTS, operation_id = "listPhoneNumberEvents", tag = "Telephony",
    security(("bearerAuth" = ["read"])),
    params(EventsQuery),
    responses(
        EventsAnswers, web::answers::Invalid, web::answers::Failures,
    ),
)]
pub(crate) async fn list(
    State(app): State<TableApp>,
    Queried { caller, params, .. }: Queried<Read>,
) -> ApiResult<Json<EventsPage>> {
    let now = app.clock.now();
    let Listing { filter, after, limit } = parse(params, now)?;
    let page = app.table.feed(&caller.organization, &filter, after.as_ref(), limit, now).await?;
    let data = page.events.into_iter().map(|event| EventRow::new(&caller.organization, event)).collect();
    Ok(Json(EventsPage { data, next_cursor: page.next.to_string() }))
}

fn parse(mut params: Params, now: Timestamp) -> ApiResult<Listing> {
    let after = params.optional("cursor", |text| cursor(text, now));
    let limit = params.optional("limit", |text| match text.parse() {
        Ok(limit @ 1..=LIMIT_MOST) => Ok(limit),
        _ => Err("must be a whole number from 1 to 200"),
    });
    let kind = params.optional("type", |text| Kind::parse(text).ok_or_else(unknown_type));
    let number = params.optional("phoneNumberId", PhoneNumberId::parse);
    params.finish(Listing { filter: FeedFilter { kind, number }, after, limit: limit.unwrap_or(LIMIT_DEFAULT) })
}

/// A cursor that is older than the feed would pass over events in silence.
fn cursor(text: &str, now: Timestamp) -> Result<EventId, &'static str> {
    let id = EventId::parse(text).map_err(|_| "must be the nextCursor of an earlier page, unchanged")?;
    if now.since(id.made_at()) >= KEPT_FOR {
        return Err("is older than 30 days, and events that follow it may be gone; read again without a cursor");
    }
    Ok(id)
}

fn unknown_type() -> String {
    let known: Vec<_> = Kind::ALL.into_iter().map(Kind::as_str).collect();
    format!("must be one of {}", known.join(", "))
}
