//! A calendar of the audit's own, so that a mistake in the product's cannot hide itself.

/// The moment `n` months after `anchor`, such as `2027-01-31T09:00:00.000Z`: the same day of the month and time of day, or
/// the month's last day where it is shorter.
pub(crate) fn months_after(anchor: &str, n: i64) -> String {
    let part = |from: usize, to: usize| -> i64 { anchor[from..to].parse().expect("a timestamp") };
    let months = part(0, 4) * 12 + part(5, 7) - 1 + n;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let day = part(8, 10).min(days_of(year, month));
    format!("{year:04}-{month:02}-{day:02}{}", &anchor[10..])
}

const fn days_of(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[test]
fn a_month_is_counted_from_the_anchor_and_ends_where_it_is_shorter() {
    let after = |n| months_after("2027-10-31T09:00:00.000Z", n);
    assert_eq!(after(0), "2027-10-31T09:00:00.000Z");
    assert_eq!(after(1), "2027-11-30T09:00:00.000Z");
    assert_eq!(after(3), "2028-01-31T09:00:00.000Z");
    assert_eq!(after(4), "2028-02-29T09:00:00.000Z");
    assert_eq!(after(16), "2029-02-28T09:00:00.000Z");
}
