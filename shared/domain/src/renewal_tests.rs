use super::*;
use crate::billing::Arrears;
use crate::carrier::CarrierNumberId;
use crate::credits::LedgerEntry;
use crate::number::tests::managed;
use crate::number::{PhoneNumber, ReleaseReason};
use crate::{Error, number};

const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);
const GRACE: Duration = Duration::from_hours(30 * 24);

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn dollars(dollars: i64) -> MicroUsd {
    MicroUsd::from_micros(dollars * 1_000_000)
}

fn number(id: u128, anchor: &str, monthly: i64) -> Renewable {
    let anchor = at(anchor);
    Renewable {
        id: PhoneNumberId::new(Timestamp::from_millis(0), id),
        e164: E164::parse("+12015551234").unwrap(),
        anchor,
        next_month: 1,
        monthly: dollars(monthly),
        is_in_arrears: false,
        next_try_at: anchor.months_later(1),
    }
}

/// A number in use since `anchor`, a dollar a month.
fn in_use(anchor: &str) -> PhoneNumber {
    let mut ordered = managed();
    ordered.created_at = at(anchor);
    ordered.activate(CarrierNumberId::parse("1").unwrap(), at(anchor)).unwrap()
}

/// How many days a month has, counted from 0, without the calendar library.
fn days_of(year: i64, month: u32) -> u32 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize]
}

#[test]
fn every_month_of_four_years_begins_where_an_independent_table_says() {
    for first_year in [2023, 2024, 2096, 2099] {
        for day in 1..=31 {
            for first_month in (0..12_u32).filter(|month| days_of(first_year, *month) >= day) {
                let anchor = format!("{first_year}-{:02}-{day:02}T23:59:59.999Z", first_month + 1);
                let number = number(1, &anchor, 1);
                for n in 0..48 {
                    let months = first_month + n;
                    let (year, month) = (first_year + i64::from(months / 12), months % 12);
                    let expected = day.min(days_of(year, month));
                    let due = number.due(n).to_string();
                    assert_eq!(due, format!("{year}-{:02}-{expected:02}T23:59:59.999Z", month + 1), "{anchor} + {n}");
                }
            }
        }
    }
}

#[test]
fn a_number_owes_the_months_that_have_begun() {
    let number = number(1, "2026-01-31T10:00:00Z", 1);
    for (now, owed) in [
        ("2026-02-28T09:59:59.999Z", 1..1),
        ("2026-02-28T10:00:00Z", 1..2),
        ("2026-03-31T09:59:59Z", 1..2),
        ("2026-03-31T10:00:00Z", 1..3),
        ("2027-01-31T10:00:00Z", 1..13),
        ("2026-01-01T00:00:00Z", 1..1),
        ("2099-01-01T00:00:00Z", 1..91),
    ] {
        assert_eq!(number.owed(at(now)), owed, "{now}");
    }
}

/// The order of charges: which number, which month, covered.
fn order(numbers: &[Renewable], balance: i64, now: &str) -> Vec<(u128, u32, bool)> {
    let now = at(now);
    let place = |charge: &Charge<'_>| numbers.iter().position(|number| number.id == charge.number.id).unwrap() as u128;
    charges(numbers, dollars(balance), now, now).map(|charge| (place(&charge), charge.month, charge.covered)).collect()
}

#[test]
fn the_oldest_month_is_charged_first_and_then_the_lower_id() {
    let numbers = [
        number(3, "2026-01-01T00:00:00Z", 1),
        number(2, "2026-01-15T00:00:00Z", 1),
        number(1, "2026-01-15T00:00:00Z", 1),
    ];
    let (now, all) = ("2026-03-10T00:00:00Z", [(0, 1), (2, 1), (1, 1), (0, 2)]);
    for balance in 0..=4 {
        let expected: Vec<_> =
            all.iter().zip(0..).map(|(&(number, month), place)| (number, month, place < balance)).collect();
        assert_eq!(order(&numbers, balance, now), expected, "{balance}");
    }
    let renewals = decide(&numbers, dollars(2), at(now));
    let told: Vec<_> = renewals.iter().map(|renewal| (renewal.paid.clone(), renewal.refused)).collect();
    assert_eq!(told, [(1..2, true), (1..2, false), (1..1, true)]);
}

#[test]
fn a_late_run_decides_as_punctual_ones_would_have() {
    let numbers = [number(1, "2026-01-01T10:00:00Z", 5), number(2, "2026-01-01T11:00:00Z", 1)];
    assert_eq!(order(&numbers, 3, "2026-02-01T10:00:00Z"), [(0, 1, false)]);
    // The first one is suspended; an hour later the second one is due.
    let mut suspended = numbers.clone();
    suspended[0].is_in_arrears = true;
    let expected = [(0, 1, false), (1, 1, true)];
    assert_eq!(order(&suspended, 3, "2026-02-01T11:00:00Z"), expected);
    assert_eq!(order(&numbers, 3, "2026-02-01T11:00:00Z"), expected, "both at once");
}

#[test]
fn a_suspended_number_pays_all_its_months_or_none() {
    let mut numbers = [number(1, "2026-01-01T00:00:00Z", 1), number(2, "2026-01-02T00:00:00Z", 1)];
    numbers[0].is_in_arrears = true;
    let now = "2026-03-15T00:00:00Z";
    // It owes two dollars, as does the other, which pays month by month.
    assert_eq!(order(&numbers, 1, now), [(0, 1, false), (0, 2, false), (1, 1, true), (1, 2, false)]);
    assert_eq!(order(&numbers, 2, now), [(0, 1, true), (0, 2, true), (1, 1, false), (1, 2, false)]);
    assert_eq!(order(&numbers, 4, now), [(0, 1, true), (0, 2, true), (1, 1, true), (1, 2, true)]);
}

#[test]
fn a_forecast_tells_what_is_due_and_from_when_on_it_is_not_covered() {
    let numbers = [number(1, "2026-01-01T00:00:00Z", 2), number(2, "2026-01-10T00:00:00Z", 1)];
    let (now, until) = (at("2026-01-20T00:00:00Z"), at("2026-03-05T00:00:00Z"));
    let told = forecast(&numbers, dollars(3), now, until, 5).unwrap();
    let charges: Vec<_> = told.charges.iter().map(|charge| (charge.due, charge.covered)).collect();
    let dates = [at("2026-02-01T00:00:00Z"), at("2026-02-10T00:00:00Z"), at("2026-03-01T00:00:00Z")];
    assert_eq!(charges, [(dates[0], true), (dates[1], true), (dates[2], false)]);
    assert_eq!((told.due, told.covered_until), (dollars(5), Some(dates[2])));
    let covered = forecast(&numbers, dollars(5), now, until, 5).unwrap();
    assert_eq!((covered.due, covered.covered_until), (dollars(5), None));
    assert_eq!(forecast(&numbers, dollars(5), now, until, 2), None, "more than was asked for");
    let short = shortfalls(&numbers, dollars(2), now, until);
    let second = Shortfall { amount: dollars(1), by: dates[1] };
    assert_eq!(short, BTreeMap::from([(numbers[1].id.clone(), second)]));
}

#[test]
fn a_month_is_paid_once_and_not_before_it_begins() {
    let number = in_use("2026-01-31T00:00:00Z");
    let (early, due) = (at("2026-02-27T23:59:59Z"), at("2026-02-28T00:00:00Z"));
    assert!(matches!(number.clone().charge(1, early), Err(Error::Changed)));
    assert!(matches!(number.clone().charge(0, due), Err(Error::Changed)));
    assert!(matches!(number.clone().charge(2, due), Err(Error::Changed)));
    let paid = number.clone().charge(1, due).unwrap();
    assert_eq!((paid.next_charge_at(due), paid.billing.last_charged_at), (at("2026-03-31T00:00:00Z"), Some(due)));
    assert!(matches!(paid.charge(1, due), Err(Error::Changed)));
    let late = number.charge(3, at("2026-05-01T00:00:00Z")).unwrap();
    assert_eq!(late.next_charge_at(due), at("2026-05-31T00:00:00Z"), "the anchor does not move");
}

#[test]
fn months_that_begin_while_an_order_is_in_doubt_are_not_owed() {
    let mut ordered = managed();
    ordered.created_at = at("2026-01-31T00:00:00Z");
    assert_eq!(ordered.renewable(), None);
    let confirmed = at("2026-03-31T00:00:00Z");
    let active = ordered.activate(CarrierNumberId::parse("1").unwrap(), confirmed).unwrap();
    assert_eq!(active.renewable().unwrap().owed(confirmed), 3..3);
    assert_eq!(active.next_charge_at(confirmed), at("2026-04-30T00:00:00Z"));
}

#[test]
fn a_number_that_is_not_in_use_is_not_charged() {
    let (due, number) = (at("2026-02-28T00:00:00Z"), in_use("2026-01-31T00:00:00Z"));
    let leaving = number.clone().release(ReleaseReason::Requested, due).unwrap();
    let mut free = number;
    free.billing.next_month = None;
    for number in [leaving, free, managed()] {
        assert!(matches!(number.clone().charge(1, due), Err(Error::NumberBusy)));
        assert!(matches!(number.clone().suspend(GRACE, due), Err(Error::NumberBusy)));
        assert!(matches!(number.clone().lift(due), Err(Error::NumberBusy)));
        assert!(matches!(number.clone().refuse(due, due), Err(Error::NumberBusy)));
        assert!(matches!(number.clone().forfeit(due), Err(Error::NumberBusy)));
        assert!(!number.is_forfeit(due));
    }
}

#[test]
fn a_number_that_was_ported_out_gets_back_the_months_that_began_afterwards() {
    let number = in_use("2026-01-31T00:00:00Z").charge(3, at("2026-04-30T00:00:00Z")).unwrap();
    for (ported_at, months) in [
        ("2026-02-01T00:00:00Z", 1..4),
        ("2026-02-28T00:00:00Z", 1..4),
        ("2026-02-28T00:00:00.001Z", 2..4),
        ("2026-04-30T00:00:00Z", 3..4),
        ("2026-05-02T00:00:00Z", 4..4),
        ("2026-01-31T00:00:00Z", 1..4),
    ] {
        assert_eq!(number.paid_after(at(ported_at)), months, "{ported_at}");
    }
    let (id, month) = (&number.id, Period { start: at("2026-04-30T00:00:00Z"), end: at("2026-05-31T00:00:00Z") });
    let (paid, back) =
        (LedgerEntry::renewal(id, 3, dollars(1), month), LedgerEntry::ported_refund(id, 3, dollars(1), month));
    assert_eq!((paid.amount + back.amount, paid.period), (MicroUsd::ZERO, back.period));
    let mut free = number;
    free.billing.next_month = None;
    assert_eq!(free.paid_after(at("2026-01-01T00:00:00Z")), 1..1);
}

fn arrears(number: &PhoneNumber) -> Arrears {
    number.billing.arrears.unwrap()
}

#[test]
fn a_suspended_number_is_charged_daily_and_lifted_by_one_payment() {
    let due = at("2026-02-28T00:00:00Z");
    let number = in_use("2026-01-31T00:00:00Z").suspend(GRACE, due).unwrap();
    assert_eq!(
        (arrears(&number).release_at, number.renewable().unwrap().next_try_at),
        (due.plus(GRACE), due.plus(DAY))
    );
    assert!(matches!(number.clone().suspend(GRACE, due), Err(Error::NumberBusy)));
    assert!(matches!(number.clone().charge(1, due), Err(Error::NumberBusy)), "only as a whole");
    let refused = number.clone().refuse(due, due.plus(DAY)).unwrap();
    assert_eq!((refused.version, arrears(&refused).refused_at), (number.version, due.plus(DAY)));
    let lifted = refused.lift(at("2026-03-31T00:00:00Z")).unwrap();
    assert_eq!((lifted.billing.arrears, lifted.billing.next_month), (None, Some(3)));
    assert!(matches!(lifted.lift(due), Err(Error::NumberBusy)));
}

#[test]
fn the_last_try_comes_with_the_announced_date() {
    let due = at("2026-02-28T00:00:00Z");
    let number = in_use("2026-01-31T00:00:00Z").suspend(DAY + HOUR, due).unwrap();
    let refused = number.refuse(due, due.plus(DAY)).unwrap();
    assert_eq!(arrears(&refused).next_try_at(), due.plus(DAY + HOUR));
    assert!(!refused.is_forfeit(due.plus(DAY)), "before its date");
    let last = refused.refuse(due, due.plus(DAY + HOUR)).unwrap();
    assert!(last.is_forfeit(due.plus(DAY + HOUR)));
    let leaving = last.forfeit(due.plus(DAY + HOUR)).unwrap();
    assert!(matches!(
        leaving.source,
        number::Source::Managed(number::Order::Releasing { reason: ReleaseReason::Unpaid, .. })
    ));
}

#[test]
fn nobody_loses_a_number_to_an_outage_of_ours() {
    let due = at("2026-02-28T00:00:00Z");
    let back = due.plus(GRACE + DAY);
    let suspended = in_use("2026-01-31T00:00:00Z").suspend(GRACE, due).unwrap();
    // The schedule stood still from shortly after the suspension until after the announced date.
    let first = suspended.refuse(back, back).unwrap();
    assert!(!first.is_forfeit(back));
    assert_eq!(arrears(&first).release_at, back.plus(DAY), "the date moves to a day from now");
    assert_eq!(arrears(&first).next_try_at(), back.plus(DAY));
    // A second gap: the refusals before it count for nothing.
    let again = back.plus(DAY + HOUR);
    let second = first.clone().refuse(again, again).unwrap();
    assert_eq!((arrears(&second).release_at, second.is_forfeit(again)), (again.plus(DAY), false));
    // No gap: two refusals a day apart.
    let day = back.plus(DAY);
    let third = first.refuse(back, day).unwrap();
    assert!(third.is_forfeit(day) && third.is_forfeit(day.plus(HOUR)) && !third.is_forfeit(day.plus(2 * HOUR)));
    assert_eq!(arrears(&third).release_at, day);
}

#[test]
fn an_announced_date_only_moves_later() {
    let due = at("2026-02-28T00:00:00Z");
    let mut number = in_use("2026-01-31T00:00:00Z").suspend(GRACE, due).unwrap();
    let (mut alive_since, mut now, mut before) = (due, due, arrears(&number).release_at);
    for step in 0..400_u32 {
        now = now.plus(HOUR * (1 + step * 7 % 31));
        if step % 13 == 0 {
            alive_since = now;
        }
        number = number.refuse(alive_since, now).unwrap();
        let release_at = arrears(&number).release_at;
        assert!(release_at >= before);
        if number.is_forfeit(now) {
            assert!(now.since(alive_since) >= DAY && before <= now);
            number = in_use("2026-01-31T00:00:00Z").suspend(GRACE, now).unwrap();
        }
        before = arrears(&number).release_at;
    }
}

#[test]
fn a_month_is_charged_at_the_end_of_the_quarter_of_an_hour_in_which_it_begins() {
    for (due, charged) in
        [("14:00:00.000", "14:00:00.000"), ("14:00:00.001", "14:15:00.000"), ("14:59:59.999", "15:00:00.000")]
    {
        let [due, charged] = [due, charged].map(|time| Timestamp::parse(&format!("2026-07-01T{time}Z")).unwrap());
        assert_eq!(charged_from(due), charged);
        assert!(charged_until(charged) >= due && charged_until(charged.minus(Duration::from_millis(1))) < due);
    }
}
