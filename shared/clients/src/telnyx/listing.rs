//! Everything that the carrier holds for our account: page by page, or one number by its id.
//!
//! The account may hold numbers that this service never bought; only a reference that this service makes says otherwise.

use std::time::Duration;

use domain::carrier::{CarrierNumberId, HeldNumber, HeldPage};
use domain::{E164, OrganizationId, PhoneNumberId, Result, Timestamp};
use serde_json::Value;

use super::answers::{NOT_OURS, entries, successful};
use super::deployment::{Deployment, names_one};
use super::wire::{Answer, Failure, text};
use super::{Telnyx, unavailable};

/// The most entries that the carrier puts on a page.
const NUMBERS_PER_PAGE: u32 = 250;
/// A full page takes longer than a question about one number.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many tags that look like organizations are read of one number. We add one; people may have added others.
const OWNERS_READ: usize = 10;

impl Telnyx {
    /// A page of all numbers that the carrier holds for the account, from page 1, in the order of their purchase. The
    /// carrier does not say which end it begins at, and numbers come and go while its pages are read, so one may be on
    /// two pages or on none. At most 10 s.
    ///
    /// # Errors
    /// [`CarrierThrottled`](domain::Error::CarrierThrottled), [`CarrierUnavailable`](domain::Error::CarrierUnavailable).
    pub async fn held(&self, page: u32) -> Result<HeldPage> {
        let query = [
            ("page[number]", page.to_string()),
            ("page[size]", NUMBERS_PER_PAGE.to_string()),
            ("sort", "purchased_at".to_owned()),
        ];
        let answer = self.link.call(PAGE_TIMEOUT, |to| to.get("phone_numbers").query(&query)).await;
        answer.and_then(|answer| read_page(answer, page, &self.deployment)).map_err(unavailable)
    }

    /// A number that the carrier holds for the account; `None` when it is gone. At most 4 s.
    ///
    /// # Errors
    /// [`CarrierThrottled`](domain::Error::CarrierThrottled), [`CarrierUnavailable`](domain::Error::CarrierUnavailable).
    pub async fn held_number(&self, id: &CarrierNumberId) -> Result<Option<HeldNumber>> {
        let path = format!("phone_numbers/{}", id.as_str());
        let answer = self.link.call(self.limits.question, |to| to.get(&path)).await;
        answer.and_then(|answer| read_one(answer, id, &self.deployment)).map_err(unavailable)
    }

    /// Whether the account holds another number of this deployment than `resource`, by its tags. It tells whether the
    /// account is the one that our numbers were bought with. At most 4 s.
    ///
    /// # Errors
    /// [`CarrierThrottled`](domain::Error::CarrierThrottled), [`CarrierUnavailable`](domain::Error::CarrierUnavailable).
    pub async fn holds_another(&self, resource: &CarrierNumberId) -> Result<bool> {
        let filter = [("filter[tag]", self.deployment.tag())];
        let answer = self.link.call(self.limits.question, |to| to.get("phone_numbers").query(&filter)).await;
        answer.and_then(|answer| shows_another(answer, resource, &self.deployment)).map_err(unavailable)
    }
}

/// The carrier may ignore a filter that it does not know, so the tags are looked at here.
fn shows_another(answer: Answer, resource: &CarrierNumberId, here: &Deployment) -> Result<bool, Failure> {
    let answer = successful(answer)?;
    let ours =
        |entry: &&Value| !is_gone(entry) && id(entry).is_some_and(|id| id != *resource) && here.owns(tags(entry));
    Ok(entries(&answer)?.iter().any(|entry| ours(&entry)))
}

fn read_page(answer: Answer, asked: u32, here: &Deployment) -> Result<HeldPage, Failure> {
    let answer = successful(answer)?;
    let entries = entries(&answer)?;
    let meta = &answer.body["meta"];
    if meta["page_number"].as_u64().is_some_and(|given| given != u64::from(asked)) {
        // A carrier that does not turn the page would be read for ever.
        return Err(Failure::Garbled("it is another page than the one asked for"));
    }
    let more = meta["total_pages"].as_u64().is_none_or(|pages| u64::from(asked) < pages);
    if entries.is_empty() && meta["total_pages"].is_u64() && more {
        return Err(Failure::Garbled("a page before the last one is empty"));
    }
    let mut page = HeldPage { last: entries.is_empty() || !more, ..HeldPage::default() };
    for entry in entries.iter().filter(|entry| !is_gone(entry)) {
        page.ids.extend(id(entry));
        if reference(entry).is_none() {
            page.foreign += 1;
        } else if let Some(number) = read_number(entry, here) {
            page.ours.push(number);
        } else {
            page.unreadable += 1;
        }
    }
    Ok(page)
}

fn read_one(answer: Answer, asked: &CarrierNumberId, here: &Deployment) -> Result<Option<HeldNumber>, Failure> {
    if answer.says_unknown() {
        return Ok(None);
    }
    let answer = successful(answer)?;
    let entry = &answer.body["data"];
    let number = read_number(entry, here).filter(|number| number.id == *asked);
    match number {
        Some(_) if is_gone(entry) => Ok(None),
        Some(number) => Ok(Some(number)),
        None => Err(Failure::Garbled("it is not the number asked for")),
    }
}

fn read_number(entry: &Value, here: &Deployment) -> Option<HeldNumber> {
    let owners = tags(entry).filter(|tag| !names_one(tag)).filter_map(|tag| OrganizationId::parse(tag).ok());
    let moments = ["purchased_at", "created_at"].map(|field| Timestamp::parse(entry[field].as_str()?).ok());
    Some(HeldNumber {
        id: id(entry)?,
        e164: E164::from_stored(entry["phone_number"].as_str()?).ok()?,
        reference: reference(entry),
        owners: owners.take(OWNERS_READ).collect(),
        tagged_here: here.owns(tags(entry)),
        since: moments.into_iter().flatten().max(),
    })
}

fn tags(entry: &Value) -> impl Iterator<Item = &str> {
    entry["tags"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn id(entry: &Value) -> Option<CarrierNumberId> {
    CarrierNumberId::parse(&text(&entry["id"])?).ok()
}

fn reference(entry: &Value) -> Option<PhoneNumberId> {
    PhoneNumberId::parse(entry["customer_reference"].as_str()?).ok()
}

fn is_gone(entry: &Value) -> bool {
    entry["status"].as_str().is_some_and(|status| NOT_OURS.contains(&status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;
    use serde_json::json;

    const OURS: &str = "pn_01kwdfkd000000000000000001";

    fn answer(status: u16, body: Value) -> Answer {
        Answer { status: StatusCode::from_u16(status).unwrap(), retry_after: None, body }
    }

    fn page(answer: Answer, asked: u32) -> Result<HeldPage, Failure> {
        read_page(answer, asked, &Deployment::of("numbers"))
    }

    fn one(answer: Answer, asked: &CarrierNumberId) -> Result<Option<HeldNumber>, Failure> {
        read_one(answer, asked, &Deployment::of("numbers"))
    }

    fn number(id: &str, number: &str, reference: &str) -> Value {
        json!({
            "id": id, "phone_number": number, "customer_reference": reference, "status": "active",
            "tags": ["org_1", "table:numbers"],
            "purchased_at": "2026-07-01T00:00:00.000Z", "created_at": "2026-07-01T00:00:09.000000Z",
        })
    }

    #[test]
    fn only_a_reference_that_this_service_makes_says_that_a_number_is_ours() {
        let mut entries = vec![number("1", "+14155550101", OURS)];
        entries.extend(["", "pn_1", "PN_01KWDFKD000000000000000001", "order 7"].map(|other| number("2", "+1", other)));
        for odd in [json!(null), json!({}), json!([]), json!({ "customer_reference": 7 }), json!("pn_")] {
            entries.push(odd);
        }
        let listed = page(answer(200, json!({ "data": entries })), 1).unwrap();
        let since = Timestamp::parse("2026-07-01T00:00:09.000Z").ok();
        let ours = HeldNumber {
            id: CarrierNumberId::parse("1").unwrap(),
            e164: E164::parse("+14155550101").unwrap(),
            reference: PhoneNumberId::parse(OURS).ok(),
            owners: vec![OrganizationId::parse("org_1").unwrap()],
            tagged_here: true,
            since,
        };
        assert_eq!((listed.ours, listed.foreign, listed.unreadable), (vec![ours], 9, 0));
        assert_eq!(listed.ids.len(), 5, "whoever ordered them");
    }

    #[test]
    fn a_number_that_was_bought_under_older_rules_is_read_by_its_form() {
        let listed = page(answer(200, json!({ "data": [number("1", "+11115550101", OURS)] })), 1).unwrap();
        assert_eq!((listed.ours[0].e164.as_str(), listed.unreadable), ("+11115550101", 0));
    }

    #[test]
    fn an_entry_under_our_reference_that_cannot_be_understood_is_counted_and_nothing_else() {
        let odd = [
            number("", "+14155550101", OURS),
            number("dc8e4d67-33a0-4cbb-af74-7b58f05bd494", "+14155550101", OURS),
            number("1", "+1415xxxxxxx", OURS),
            json!({ "customer_reference": OURS }),
        ];
        let listed = page(answer(200, json!({ "data": odd })), 1).unwrap();
        assert_eq!((listed.ours, listed.unreadable), (vec![], 4));
    }

    #[test]
    fn numbers_that_the_carrier_has_taken_back_are_not_held() {
        for status in NOT_OURS {
            let mut gone = number("1", "+14155550101", OURS);
            gone["status"] = (*status).into();
            let listed = page(answer(200, json!({ "data": [gone] })), 1).unwrap();
            assert_eq!((listed.ids, listed.ours), (vec![], vec![]), "{status}");
            let id = CarrierNumberId::parse("1").unwrap();
            assert_eq!(one(answer(200, json!({ "data": gone })), &id).unwrap(), None, "{status}");
        }
    }

    #[test]
    fn the_last_page_is_the_one_that_the_carrier_calls_so_or_an_empty_one() {
        let some = || vec![number("1", "+14155550101", OURS)];
        for (data, meta, last) in [
            (some(), json!({ "total_pages": 2, "page_number": 1 }), false),
            (some(), json!({ "total_pages": 1, "page_number": 1 }), true),
            // Without a word of how many there are, the next page tells.
            (some(), json!(null), false),
            (some(), json!({ "total_pages": "1" }), false),
            (vec![], json!({ "total_pages": 0 }), true),
            (vec![], json!({ "total_pages": 1 }), true),
            (vec![], json!(null), true),
        ] {
            assert_eq!(page(answer(200, json!({ "data": data, "meta": meta })), 1).unwrap().last, last, "{meta}");
        }
        let hole = json!({ "data": [], "meta": { "total_pages": 9 } });
        assert!(matches!(page(answer(200, hole.clone()), 8), Err(Failure::Garbled(_))), "a hole is no end");
        assert!(page(answer(200, hole), 9).unwrap().last);
        let again = json!({ "data": some(), "meta": { "page_number": 1, "total_pages": 9 } });
        assert!(matches!(page(answer(200, again), 2), Err(Failure::Garbled(_))), "it does not turn the page");
    }

    #[test]
    fn what_is_not_a_list_is_not_an_empty_account() {
        for body in [json!(null), json!([]), json!({}), json!({ "data": null }), json!({ "data": {} })] {
            assert!(page(answer(200, body.clone()), 1).is_err(), "{body}");
        }
        for status in [301, 401, 404, 429, 500] {
            assert!(page(answer(status, json!({ "data": [] })), 1).is_err(), "{status}");
        }
    }

    #[test]
    fn a_number_is_gone_only_when_the_carrier_itself_says_so() {
        let id = CarrierNumberId::parse("1").unwrap();
        let envelope = json!({ "errors": [{ "code": "10005" }] });
        assert_eq!(one(answer(404, envelope.clone()), &id).unwrap(), None);
        for (status, body) in [
            (404, json!(null)),
            (404, json!({ "message": "no such route" })),
            (200, json!({ "data": null })),
            (200, json!({ "data": number("2", "+14155550101", OURS) })),
            (401, envelope.clone()),
            (500, envelope),
        ] {
            assert!(one(answer(status, body.clone()), &id).is_err(), "{status} {body}");
        }
        let held = json!({ "data": number("1", "+14155550101", "") });
        assert_eq!(one(answer(200, held), &id).unwrap().unwrap().reference, None);
    }
}
