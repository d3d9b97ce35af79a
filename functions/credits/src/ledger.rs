//! `GET /v1/credits/ledger`: every movement of the balance, the last booked first.

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::credits::EntryKind;
use serde::Serialize;
use table::{LedgerLine, LedgerPage, LedgerPlace};
use utoipa::{IntoParams, IntoResponses, ToSchema};
use web::{ApiResult, Params, Queried, Read, TableApp};

use crate::LEDGER;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MOST: usize = 200;
const MALFORMED: &str = "must be the nextCursor of an earlier page, unchanged";

/// A page of the ledger.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreditsLedger)]
pub(crate) struct LedgerRows {
    entries: Vec<LedgerRow>,
    /// Send it as `cursor` for the entries that were booked before these; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
}

/// One movement of the balance.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreditsLedgerEntry)]
pub(crate) struct LedgerRow {
    /// What it is for; unique within the organization. Such as `purchase:pn_…`, `renewal:pn_…:1` or `grant:INV-1001`.
    #[schema(examples("renewal:pn_01kwdfkd000000000000000001:1"))]
    id: String,
    #[schema(value_type = LedgerKind)]
    kind: String,
    /// Millionths of a US dollar as decimal digits; a debit is negative.
    #[schema(examples("-1000000"))]
    amount_micro_usd: String,
    /// When it was booked.
    #[schema(format = DateTime)]
    created_at: String,
    /// The number that it pays for, which may be gone.
    #[schema(required)]
    phone_number_id: Option<String>,
    /// The month that it pays for, from here …
    #[schema(required, format = DateTime)]
    period_start: Option<String>,
    /// … until here.
    #[schema(required, format = DateTime)]
    period_end: Option<String>,
}

/// What an entry is.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = CreditsLedgerKind)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum LedgerKind {
    /// Credits from the operator.
    Grant,
    /// A payment for a number.
    Debit,
    /// Credits that were bought.
    Topup,
    /// A payment that was given back.
    Refund,
    /// A correction by the operator.
    Adjustment,
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum LedgerAnswers {
    /// Entries
    #[response(
        status = 200,
        example = json!({
            "entries": [
                {
                    "id": "renewal:pn_01kwdfkd000000000000000001:1", "kind": "debit", "amountMicroUsd": "-1000000",
                    "createdAt": "2026-08-01T00:15:00.000Z", "phoneNumberId": "pn_01kwdfkd000000000000000001",
                    "periodStart": "2026-08-01T00:00:00.000Z", "periodEnd": "2026-09-01T00:00:00.000Z",
                },
                {
                    "id": "grant:INV-1001", "kind": "grant", "amountMicroUsd": "25000000",
                    "createdAt": "2026-07-01T00:00:00.000Z", "phoneNumberId": null, "periodStart": null, "periodEnd": null,
                },
            ],
            "nextCursor": "MjAyNi0wNy0wMVQwMDowMDowMC4wMDBaI2dyYW50OklOVi0xMDAx",
        })
    )]
    Entries(LedgerRows),
}

struct Listing {
    kind: Option<EntryKind>,
    after: Option<LedgerPlace>,
    limit: usize,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct LedgerQuery {
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
    /// At most so many entries.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u8>,
    /// Only entries of this kind.
    #[param(inline, value_type = Option<LedgerKind>)]
    kind: Option<String>,
}

/// List the ledger
///
/// Every movement of the balance, the last booked first. `createdAt` is when an entry was booked, `periodStart` and `periodEnd`
/// are the month that it pays for. Pages never repeat or skip an entry while others are written.
#[utoipa::path(
    get, path = LEDGER, operation_id = "listCreditsLedger", tag = "Credits",
    security(("bearerAuth" = ["read"])),
    params(LedgerQuery),
    responses(LedgerAnswers, web::answers::Invalid, web::answers::Failures),
)]
pub(crate) async fn list(
    State(app): State<TableApp>,
    Queried { caller, params, .. }: Queried<Read>,
) -> ApiResult<Json<LedgerRows>> {
    let Listing { kind, after, limit } = parse(params)?;
    let LedgerPage { lines, next } = app.table.ledger(&caller.organization, kind, after.as_ref(), limit).await?;
    let next_cursor = next.map(|place| URL_SAFE_NO_PAD.encode(place.as_str()));
    Ok(Json(LedgerRows { entries: lines.into_iter().map(LedgerRow::new).collect(), next_cursor }))
}

fn parse(mut params: Params) -> ApiResult<Listing> {
    let after = params.optional("cursor", cursor);
    let limit = params.optional("limit", |text| match text.parse() {
        Ok(limit @ 1..=LIMIT_MOST) => Ok(limit),
        _ => Err("must be a whole number from 1 to 200"),
    });
    let kind = params.optional("kind", |text| EntryKind::parse(text).ok_or_else(unknown_kind));
    params.finish(Listing { kind, after, limit: limit.unwrap_or(LIMIT_DEFAULT) })
}

fn cursor(text: &str) -> Result<LedgerPlace, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| MALFORMED)?;
    let place = std::str::from_utf8(&bytes).map_err(|_| MALFORMED)?;
    LedgerPlace::parse(place).map_err(|_| MALFORMED)
}

fn unknown_kind() -> String {
    let known: Vec<_> = EntryKind::ALL.into_iter().map(EntryKind::as_str).collect();
    format!("must be one of {}", known.join(", "))
}

impl LedgerRow {
    fn new(line: LedgerLine) -> Self {
        let LedgerLine { kind, amount, created_at, reference, number, period } = line;
        Self {
            id: reference,
            kind,
            amount_micro_usd: amount.micros().to_string(),
            created_at: created_at.to_string(),
            phone_number_id: number.map(|number| number.to_string()),
            period_start: period.map(|period| period.start.to_string()),
            period_end: period.map(|period| period.end.to_string()),
        }
    }
}
