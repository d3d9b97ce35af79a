//! Text that is safe to put into a Slack message.

/// Text in which Slack finds no mark-up of its own: no mention, no link, no entity that the customer wrote.
///
/// It can only be made by escaping, and only be shortened between characters, so an entity is never cut in half.
/// Lengths are counted in UTF-16 units of the escaped text, which is never less than however Slack counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escaped(String);

impl Escaped {
    /// One line: whatever could start another becomes a space, so a value cannot pretend to be the next field.
    #[must_use]
    pub fn line(text: &str) -> Self {
        let breaks = |c: char| if c.is_control() || c.is_whitespace() { ' ' } else { c };
        let visible: String = text.chars().filter(|c| !is_hidden(*c)).map(breaks).collect();
        Self(escape(&visible.split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    /// Several lines, without the long gaps that would push the rest of the message out of sight.
    #[must_use]
    pub fn prose(text: &str) -> Self {
        let text = text.replace("\r\n", "\n").replace(['\r', '\u{85}', '\u{2028}', '\u{2029}'], "\n");
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines() {
            let line: String = line.chars().filter(|c| !is_hidden(*c) && (!c.is_control() || *c == '\t')).collect();
            let line = line.trim_end().to_owned();
            if !line.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
                lines.push(line);
            }
        }
        Self(escape(lines.join("\n").trim()))
    }

    /// At most `most` units long; what is longer ends in an ellipsis.
    #[must_use]
    pub fn clip(self, most: usize) -> Self {
        if units(&self.0) <= most {
            return self;
        }
        let mut room = most.saturating_sub(1);
        let mut kept = String::new();
        let mut rest = self.0.as_str();
        while let Some(next) = first(rest) {
            let Some(left) = room.checked_sub(units(next)) else { break };
            room = left;
            kept.push_str(next);
            rest = &rest[next.len()..];
        }
        Self(format!("{}…", kept.trim_end()))
    }

    /// For text outside a `plain_text` object. Whether Slack takes a bare `@here` for a mention depends on how it is
    /// posted, so it is broken up here, where the text is made, with a mark that nobody sees.
    #[must_use]
    pub fn without_mentions(self) -> Self {
        Self(self.0.replace('@', "@\u{2060}"))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Slack's whole list of characters to escape; see <https://docs.slack.dev/messaging/formatting-message-text>.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The first thing that cannot be divided: an entity or a character.
fn first(escaped: &str) -> Option<&str> {
    let c = escaped.chars().next()?;
    let entity = if c == '&' { escaped.find(';').map(|end| end + 1) } else { None };
    Some(&escaped[..entity.unwrap_or(c.len_utf8())])
}

pub(super) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Characters that draw nothing but change how their neighbours are read: a right-to-left override turns a name
/// around, a zero-width space makes two different names look alike. The two joiners stay, because Persian, Hindi and
/// emoji need them.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_lines_become_harmless_ones() {
        for (hostile, harmless) in [
            ("Acme & Sons", "Acme &amp; Sons"),
            ("<!channel> hi", "&lt;!channel&gt; hi"),
            ("<@U012AB3CD>", "&lt;@U012AB3CD&gt;"),
            ("<https://evil.example|https://bank.example>", "&lt;https://evil.example|https://bank.example&gt;"),
            ("&lt;!here&gt;", "&amp;lt;!here&amp;gt;"),
            ("Acme\n*Status*\nApproved", "Acme *Status* Approved"),
            ("Acme\u{2028}Approved\u{2029}\u{85}by us", "Acme Approved by us"),
            ("Acme\u{202e}dab\u{202c} \u{200b}\u{feff}Inc", "Acmedab Inc"),
            ("a \u{a0}\u{3000}\t b", "a b"),
            ("میخ\u{200c}ها 👩\u{200d}🔧", "میخ\u{200c}ها 👩\u{200d}🔧"),
            ("`code` *bold* _it_ ~no~", "`code` *bold* _it_ ~no~"),
        ] {
            assert_eq!(Escaped::line(hostile).as_str(), harmless, "{hostile:?}");
        }
    }

    #[test]
    fn prose_keeps_its_lines_but_not_its_gaps() {
        for (hostile, harmless) in [
            ("one\r\ntwo\rthree\u{2028}four", "one\ntwo\nthree\nfour"),
            ("\n\n one \n\n\n\n\n two\n\n", "one\n\n two"),
            ("a\tb\u{7}", "a\tb"),
            ("<!everyone>\n> quoted", "&lt;!everyone&gt;\n&gt; quoted"),
            ("x\n\u{200b}\n\u{200b}\n\u{200b}\ny", "x\n\ny"),
        ] {
            assert_eq!(Escaped::prose(hostile).as_str(), harmless, "{hostile:?}");
        }
    }

    #[test]
    fn text_is_cut_between_characters_and_never_within_an_entity() {
        for (text, most, cut) in [
            ("abcdef", 6, "abcdef"),
            ("abcdefg", 6, "abcde…"),
            ("ab&cd", 9, "ab&amp;cd"),
            ("ab&cd", 8, "ab&amp;…"),
            ("ab&cd", 7, "ab…"),
            ("<<<", 9, "&lt;&lt;…"),
            ("<<<", 4, "…"),
            ("😀😀😀", 5, "😀😀…"),
            ("😀😀😀", 4, "😀…"),
            ("a b c", 3, "a…"),
            ("two words", 5, "two…"),
        ] {
            let line = Escaped::line(text).clip(most);
            assert_eq!(line.as_str(), cut, "{text} {most}");
            assert!(units(line.as_str()) <= most, "{text} {most}");
        }
    }

    #[test]
    fn mentions_without_brackets_are_broken_up() {
        let text = Escaped::line("@here and @channel").without_mentions();
        assert!(!text.as_str().contains("@here") && !text.as_str().contains("@channel"), "{text:?}");
    }
}
