//! Filters as Telnyx writes them: `filter[phone_number][ends_with]=0123`, `filter[features][]=voice`, `page[size]=50`.

/// A query string's parameters, decoded.
pub(super) struct Filters(Vec<(String, String)>);

impl Filters {
    pub(super) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The first value of `filter[name]`, where `name` may have a second part: `phone_number][ends_with`. Some clients
    /// write a single value as a list, so `filter[name][]` counts too. Empty counts as absent.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of `filter[name]` and `filter[name][]`.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let (plain, list) = (format!("filter[{name}]"), format!("filter[{name}][]"));
        self.0.iter().filter(move |(key, value)| (*key == plain || *key == list) && !value.is_empty()).map(value)
    }

    /// Cuts the asked page out of a list: `page[number]` from 1, `page[size]` 1 to 250, by default the first 20.
    pub(super) fn page<T>(&self, items: Vec<T>) -> Page<T> {
        let number = |name: &str| -> Option<usize> { self.0.iter().find(|(key, _)| key == name)?.1.parse().ok() };
        let size = number("page[size]").unwrap_or(20).clamp(1, 250);
        let page = number("page[number]").unwrap_or(1).max(1);
        let total = items.len();
        let items = items.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
        Page { items, number: page, size, total }
    }
}

fn value((_, value): &(String, String)) -> &str {
    value
}

/// A page of a list.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) number: usize,
    pub(super) size: usize,
    pub(super) total: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(pairs: &[(&str, &str)]) -> Filters {
        Filters::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn filters_are_found_by_their_exact_name_with_or_without_a_list() {
        let filters = filters(&[
            ("filter[features][]", "voice"),
            ("filter[features][]", "sms"),
            ("filter[locality]", ""),
            ("filter[phone_number][ends_with]", "0123"),
            ("locality", "Boston"),
        ]);
        assert_eq!(filters.all("features").collect::<Vec<_>>(), ["voice", "sms"]);
        assert_eq!(filters.one("locality"), None);
        assert_eq!(filters.one("phone_number"), None);
        assert_eq!(filters.one("phone_number][ends_with"), Some("0123"));
    }

    #[test]
    fn pages_begin_at_one_and_odd_values_are_mended() {
        for (number, size, expected) in [
            ("1", "2", vec![0, 1]),
            ("3", "2", vec![4]),
            ("4", "2", vec![]),
            ("0", "0", vec![0]),
            ("x", "999", vec![0, 1, 2, 3, 4]),
            ("18446744073709551615", "250", vec![]),
        ] {
            let page = filters(&[("page[number]", number), ("page[size]", size)]).page((0..5).collect());
            assert_eq!((page.items, page.total), (expected, 5), "{number} {size}");
        }
    }
}
