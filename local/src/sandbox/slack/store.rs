//! What the sandbox remembers: the messages, in one file.

use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

use domain::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Older messages are forgotten, because each new one writes the whole file.
const MESSAGES_KEPT: usize = 500;

/// A message as staff see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The channel's id, as Slack names it in its answers.
    pub channel: String,
    /// The channel as the caller named it, which may be its id or a name such as `#verification`.
    pub channel_name: String,
    /// Names the message within its channel: seconds since 1970, a dot, six digits.
    pub ts: String,
    pub text: String,
    pub blocks: Value,
}

#[derive(Debug)]
pub(super) struct Store {
    file: Option<PathBuf>,
    /// Oldest first.
    messages: Vec<Message>,
    last_ts: u64,
}

impl Store {
    pub(super) fn open(file: Option<PathBuf>) -> Result<Self> {
        let mut messages: Vec<Message> = Vec::new();
        if let Some(path) = &file {
            match std::fs::read(path) {
                Ok(bytes) => messages = serde_json::from_slice(&bytes)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let last_ts = messages.iter().filter_map(|message| micros(&message.ts)).max().unwrap_or(0);
        Ok(Self { file, messages, last_ts })
    }

    /// Keeps a message, on disk before in memory: what was answered is there after a `kill -9`.
    pub(super) fn add(&mut self, now: Timestamp, channel: &str, text: String, blocks: Value) -> Result<Message> {
        let now = u64::try_from(now.millis()).unwrap_or(0) * 1_000;
        let ts = now.max(self.last_ts + 1);
        let message = Message {
            channel: channel_id(channel),
            channel_name: channel.to_owned(),
            ts: format!("{}.{:06}", ts / 1_000_000, ts % 1_000_000),
            text,
            blocks,
        };
        let mut messages = self.messages.clone();
        messages.drain(..messages.len().saturating_sub(MESSAGES_KEPT - 1));
        messages.push(message.clone());
        self.keep(messages)?;
        self.last_ts = ts;
        Ok(message)
    }

    /// Changes a message in its place. `None` when there is none.
    pub(super) fn change(&mut self, channel: &str, ts: &str, text: String, blocks: Value) -> Result<Option<Message>> {
        let mut messages = self.messages.clone();
        let found = messages.iter_mut().find(|message| message.channel == channel && message.ts == ts);
        let Some(message) = found else { return Ok(None) };
        (message.text, message.blocks) = (text, blocks);
        let message = message.clone();
        self.keep(messages)?;
        Ok(Some(message))
    }

    fn keep(&mut self, messages: Vec<Message>) -> Result<()> {
        if let Some(path) = &self.file {
            write(path, &messages)?;
        }
        self.messages = messages;
        Ok(())
    }

    pub(super) fn newest_first(&self) -> Vec<Message> {
        self.messages.iter().rev().cloned().collect()
    }
}

/// The new file takes the old one's place in one step, so a reader finds one or the other and never a part.
fn write(path: &Path, messages: &[Message]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec_pretty(messages).map_err(Error::from)?)?;
    file.persist(path)?;
    Ok(())
}

fn micros(ts: &str) -> Option<u64> {
    let (seconds, fraction) = ts.split_once('.')?;
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(fraction.parse().ok()?)
}

/// Slack takes a channel's name but answers its id, and only the id serves for changing the message later. A name
/// always gets the same made-up id here.
fn channel_id(channel: &str) -> String {
    let known = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if channel.len() >= 9 && channel.starts_with(['C', 'D', 'G']) && channel.bytes().all(known) {
        return channel.to_owned();
    }
    let name = channel.trim_start_matches('#');
    // FNV-1a, because the standard library's own hash may differ from one release to the next.
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("C{:010X}", hash >> 24)
}

#[cfg(test)]
mod tests {
    use domain::{Clock, SystemClock};
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_survive_and_the_next_one_is_still_newer() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/slack.json");
        let mut store = Store::open(Some(file.clone())).unwrap();
        let one = store.add(SystemClock.now(), "#kyb", "one".to_owned(), json!([])).unwrap();
        let two = store.add(SystemClock.now(), "#kyb", "two".to_owned(), json!([{"type": "divider"}])).unwrap();

        let mut store = Store::open(Some(file.clone())).unwrap();
        assert_eq!(store.newest_first(), [two.clone(), one.clone()]);
        store.last_ts = u64::from(u32::MAX) * 1_000_000;
        let three = store.add(SystemClock.now(), "#kyb", "three".to_owned(), json!([])).unwrap();
        assert_eq!(three.ts, "4294967295.000001");
        assert!(one.ts < two.ts && two.ts < three.ts);
        let changed = store.change(&one.channel, &one.ts, "changed".to_owned(), json!([])).unwrap().unwrap();
        assert_eq!((&changed.ts, changed.text.as_str()), (&one.ts, "changed"));
        assert_eq!(store.change(&one.channel, "1.000000", "none".to_owned(), json!([])).unwrap(), None);
        assert_eq!(Store::open(Some(file.clone())).unwrap().newest_first(), [three.clone(), two.clone(), changed]);
        let leftovers = std::fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(leftovers, 1, "only the file itself stays");
    }

    #[test]
    fn a_file_of_something_else_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("slack.json");
        std::fs::write(&file, "notes of mine").unwrap();
        assert!(Store::open(Some(file.clone())).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "notes of mine");
    }

    #[test]
    fn the_oldest_messages_make_room() {
        let mut store = Store::open(None).unwrap();
        for number in 0..=MESSAGES_KEPT {
            store.add(SystemClock.now(), "C000000001", number.to_string(), json!([])).unwrap();
        }
        let kept = store.newest_first();
        assert_eq!((kept.len(), kept[MESSAGES_KEPT - 1].text.as_str()), (MESSAGES_KEPT, "1"));
    }

    #[test]
    fn a_channels_name_has_one_id_and_an_id_is_its_own() {
        assert_eq!(channel_id("C012AB3CD"), "C012AB3CD");
        let id = channel_id("#verification");
        assert_eq!(id, channel_id("verification"));
        assert_ne!(id, channel_id("#other"));
        assert_eq!(channel_id(&id), id);
    }
}
