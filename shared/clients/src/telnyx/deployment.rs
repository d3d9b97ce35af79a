//! The tag that says which deployment a number belongs to, where several share one account of the carrier's.

use std::sync::Arc;

/// What all such tags begin with.
const PREFIX: &str = "table:";

/// This deployment, as the carrier knows it.
#[derive(Clone)]
pub(super) struct Deployment {
    tag: Arc<str>,
}

impl Deployment {
    /// A deployment is its table: whoever works on the same rows owns the same numbers.
    pub(super) fn of(table: &str) -> Self {
        Self { tag: format!("{PREFIX}{table}").into() }
    }

    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    /// Whether these tags name this deployment, and no other one beside it.
    pub(super) fn owns<'a>(&self, tags: impl Iterator<Item = &'a str>) -> bool {
        let mut deployments = tags.filter(|tag| names_one(tag)).peekable();
        deployments.peek().is_some() && deployments.all(|tag| tag == self.tag())
    }
}

/// Whether a tag names a deployment. An organization's id may read like one; it is taken for a deployment's all the same,
/// because then its numbers are nobody's to release.
pub(super) fn names_one(tag: &str) -> bool {
    tag.starts_with(PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_deployments_tag_and_no_other_says_that_a_number_is_its_own() {
        let here = Deployment::of("numbers");
        for (tags, own) in [
            (&["org_1", "table:numbers"][..], true),
            (&["table:numbers", "table:numbers", "vip"], true),
            (&[], false),
            (&["org_1"], false),
            (&["numbers"], false),
            (&["table:"], false),
            (&["table:numbers-2"], false),
            (&["TABLE:numbers"], false),
            (&["table:other", "table:numbers"], false),
        ] {
            assert_eq!(here.owns(tags.iter().copied()), own, "{tags:?}");
        }
    }
}
