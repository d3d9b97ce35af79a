//! A business's website.

use std::str::FromStr;

use url::{Host, Url};

use crate::text::is_blank;

/// An absolute `http` or `https` URL of a public host, at most 2,000 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Website(String);

impl Website {
    const LIMIT_BYTES: usize = 2_000;

    /// People leave the scheme out; then it is `https`.
    ///
    /// # Errors
    /// A sentence for the caller when it is something else.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be an http or https URL such as https://example.com, at most 2000 characters";
        let trimmed = text.trim();
        if trimmed.contains('\\') {
            return Err("must not contain a backslash; write / instead");
        }
        let whole = with_scheme(trimmed).ok_or(FORM)?;
        let url = Url::from_str(&whole).map_err(|_| FORM)?;
        if whole.len() > Self::LIMIT_BYTES
            || whole.contains(|letter: char| letter.is_whitespace() || letter.is_control())
        {
            return Err(FORM);
        }
        if has_user_info(&whole) {
            return Err("must not contain a user name or password before the host");
        }
        match url.host() {
            Some(Host::Domain(host)) if is_public(host) => Ok(Self(whole)),
            _ => Err("must be on a public host with a name such as www.example.com, not localhost or an IP address"),
        }
    }

    /// What was accepted once, perhaps under older rules.
    ///
    /// # Errors
    /// A sentence when the text is blank or too long.
    pub fn from_stored(text: &str) -> Result<Self, &'static str> {
        let fits = !is_blank(text) && text.len() <= Self::LIMIT_BYTES;
        if fits { Ok(Self(text.to_owned())) } else { Err("must be a URL of at most 2000 characters") }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A web address with its scheme; `None` for one of another scheme.
fn with_scheme(text: &str) -> Option<String> {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return Some(text.to_owned());
    }
    let bare = text.strip_prefix("//").unwrap_or(text);
    // A colon belongs to a port here, or to another scheme.
    let (host, _) = bare.split_once(['/', '?', '#']).unwrap_or((bare, ""));
    let port = host.split_once(':').map_or("0", |(_, port)| port);
    let is_web = !host.is_empty() && !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
    is_web.then(|| format!("https://{bare}"))
}

/// Whether something stands before the host: also an empty name, which `Url` passes over.
fn has_user_info(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    authority.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

/// Whether a host is one that anybody can look up: more than one label, under none of the names that stay within a machine or
/// a house (RFC 6761, RFC 6762, and ICANN's `internal`).
fn is_public(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let within = ["localhost", "localdomain", "local", "internal"];
    let is_label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    host.rsplit_once('.').is_some_and(|(_, top)| !within.contains(&top)) && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn websites_are_web_urls_of_public_hosts_with_or_without_a_scheme() {
        for (good, kept) in [
            ("https://example.com", "https://example.com"),
            ("http://example.com/a?b#c", "http://example.com/a?b#c"),
            ("HTTPS://EXAMPLE.COM", "HTTPS://EXAMPLE.COM"),
            ("https://bücher.example", "https://bücher.example"),
            ("https://example.com:8443/@ada", "https://example.com:8443/@ada"),
            (" www.example.org ", "https://www.example.org"),
            ("example.org/a:b?c=http:d", "https://example.org/a:b?c=http:d"),
            ("example.org:8080", "https://example.org:8080"),
            ("//example.org/x", "https://example.org/x"),
        ] {
            assert_eq!(
                Website::parse(good).as_ref().map(Website::as_str).map_err(|reason| *reason),
                Ok(kept),
                "{good}"
            );
        }
        for (bad, reason) in [
            ("", "http or https"),
            ("ftp://example.com", "http or https"),
            ("javascript:alert(1)", "http or https"),
            ("mailto:ada@example.com", "http or https"),
            ("https://", "http or https"),
            ("https:example.com", "http or https"),
            ("https://a b.com", "http or https"),
            ("https://user:pass@example.org", "user name or password"),
            ("https://user@example.org", "user name or password"),
            ("https://@example.org", "user name or password"),
            ("user@example.org", "user name or password"),
            ("https://example.org\\evil", "backslash"),
            ("https:\\\\example.org", "backslash"),
            ("https://localhost", "localhost"),
            ("https://localhost./", "localhost"),
            ("https://app.localhost:3000", "localhost"),
            ("localhost:3000", "localhost"),
            ("https://localhost.localdomain", "localhost"),
            ("https://example..org", "public host"),
            ("https://-.org", "public host"),
            ("https://.org", "public host"),
            ("https://example.org\0", "http or https"),
            ("https://example.org/\u{7}", "http or https"),
            ("https://intranet", "public host"),
            ("https://printer.local", "public host"),
            ("https://127.0.0.1", "IP address"),
            ("https://0x7f000001", "IP address"),
            ("https://[::1]/", "IP address"),
            ("https://8.8.8.8", "IP address"),
        ] {
            let refused = Website::parse(bad);
            assert!(refused.as_ref().is_err_and(|sentence| sentence.contains(reason)), "{bad}: {refused:?}");
        }
        assert!(Website::parse(&format!("https://example.com/{}", "a".repeat(2_000))).is_err());
        assert!(Website::from_stored("https://localhost").is_ok(), "what was accepted once is read");
    }
}
