//! The engine, asked in this process, with everything that was ever committed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Clock, Timestamp};
use dynoxide::{Database, DynoxideError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// An item in DynamoDB's JSON.
pub type Item = Value;

/// PK and SK.
pub type Key = (String, String);

/// One item before and after.
#[derive(Clone, Debug)]
pub struct Write {
    pub key: Key,
    pub old: Option<Item>,
    pub new: Option<Item>,
}

/// What was written at once.
#[derive(Clone, Debug)]
pub struct Commit {
    pub at: Timestamp,
    pub writes: Vec<Write>,
}

impl fmt::Display for Commit {
    /// The time, and each key with `+` for a new item, `-` for one that is gone, `~` for one that has changed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.at)?;
        for Write { key: (pk, sk), old, new } in &self.writes {
            let sign = match (old, new) {
                (None, _) => '+',
                (_, None) => '-',
                (Some(_), Some(_)) => '~',
            };
            write!(formatter, "  {sign}{pk} {sk}")?;
        }
        Ok(())
    }
}

/// The table's engine. Clones are the same one.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    table: Database,
    /// The same items as the indexes show them: a while behind.
    index: Database,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    items: BTreeMap<Key, Item>,
    /// What has not been audited yet.
    commits: Vec<Commit>,
    /// What the indexes do not show yet, by when they will, in the order of writing.
    behind: BTreeMap<(Timestamp, u64), (Key, Option<Item>)>,
    written: u64,
    /// The tokens of transactions, with when they were committed and what was answered.
    tokens: BTreeMap<String, (Timestamp, Answered)>,
    dice: StdRng,
}

/// For so long a transaction that comes again under its token is answered and not carried out again.
/// Source: Amazon DynamoDB, `TransactWriteItems`, `ClientRequestToken`.
const TOKEN_VALID_FOR: Duration = Duration::from_mins(10);

/// An answer: the status and the body.
pub(crate) type Answered = (u16, String);

impl Engine {
    pub(crate) fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        let database = || Database::memory().expect("an engine in memory");
        let state = State {
            items: BTreeMap::new(),
            commits: Vec::new(),
            behind: BTreeMap::new(),
            written: 0,
            tokens: BTreeMap::new(),
            dice: StdRng::seed_from_u64(seed ^ 0x1d1e),
        };
        Self(Arc::new(Inner { table: database(), index: database(), clock, state: Mutex::new(state) }))
    }

    /// Everything that is stored now.
    #[must_use]
    pub fn items(&self) -> BTreeMap<Key, Item> {
        self.state().items.clone()
    }

    /// Looks at what is stored now.
    pub fn look<T>(&self, look: impl FnOnce(&BTreeMap<Key, Item>) -> T) -> T {
        look(&self.state().items)
    }

    /// What was written since the last time, in its order.
    #[must_use]
    pub fn take_commits(&self) -> Vec<Commit> {
        std::mem::take(&mut self.state().commits)
    }

    /// The engine's own items, for a comparison with what the log of writes says.
    ///
    /// # Panics
    /// The engine refuses.
    #[must_use]
    pub fn scan(&self, table: &str) -> BTreeMap<Key, Item> {
        let (mut found, mut start) = (BTreeMap::new(), Value::Null);
        loop {
            let mut scan = json!({ "TableName": table });
            if !start.is_null() {
                scan["ExclusiveStartKey"] = start;
            }
            let (status, body) = run(&self.0.table, "Scan", scan.to_string().as_bytes());
            assert_eq!(status, 200, "{body}");
            let mut page: Value = serde_json::from_str(&body).expect("JSON");
            let items = page["Items"].as_array_mut().map(std::mem::take).unwrap_or_default();
            found.extend(items.into_iter().map(|item| (key(&item), item)));
            start = page["LastEvaluatedKey"].take();
            if start.is_null() {
                return found;
            }
        }
    }

    /// Carries out one call.
    pub(crate) fn answer(&self, operation: &str, body: &[u8]) -> Answered {
        match operation {
            "Query" => {
                let asked: Value = serde_json::from_slice(body).unwrap_or_default();
                let through_index = asked["IndexName"].is_string();
                if through_index {
                    self.catch_up();
                }
                run(if through_index { &self.0.index } else { &self.0.table }, operation, body)
            }
            "CreateTable" | "UpdateTable" | "UpdateTimeToLive" => {
                run(&self.0.index, operation, body);
                run(&self.0.table, operation, body)
            }
            "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems" => self.write(operation, body),
            _ => run(&self.0.table, operation, body),
        }
    }

    fn write(&self, operation: &str, body: &[u8]) -> Answered {
        let mut asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let now = self.0.clock.now();
        // The engine's own memory of tokens goes by the machine's clock.
        let token = asked.as_object_mut().and_then(|asked| asked.remove("ClientRequestToken"));
        let token = token.and_then(|token| token.as_str().map(str::to_owned));
        if let Some(token) = &token
            && let Some((at, answer)) = self.state().tokens.get(token)
            && now.since(*at) < TOKEN_VALID_FOR
        {
            return answer.clone();
        }
        let answer = match &token {
            Some(_) => run(&self.0.table, operation, asked.to_string().as_bytes()),
            None => run(&self.0.table, operation, body),
        };
        if answer.0 != 200 {
            return answer;
        }
        let table = asked["TableName"].as_str();
        let steps = asked["TransactItems"].as_array();
        let named =
            |step: &Value| step.as_object().and_then(|step| step.iter().next().map(|(k, v)| (k.clone(), v.clone())));
        let touched: Vec<(Key, Option<Item>)> = match steps {
            None => vec![self.after(operation, &asked, table)],
            Some(steps) => steps
                .iter()
                .filter_map(named)
                .filter(|(kind, _)| kind != "ConditionCheck")
                .map(|(kind, step)| self.after(&kind, &step, step["TableName"].as_str()))
                .collect(),
        };
        let mut state = self.state();
        state.tokens.extend(token.map(|token| (token, (now, answer.clone()))));
        let mut writes = Vec::new();
        for (key, new) in touched {
            let old = match &new {
                Some(item) => state.items.insert(key.clone(), item.clone()),
                None => state.items.remove(&key),
            };
            if indexed(old.as_ref()) || indexed(new.as_ref()) {
                state.lag_behind(now, &key, new.clone());
            }
            if old != new {
                writes.push(Write { key, old, new });
            }
        }
        if !writes.is_empty() {
            state.commits.push(Commit { at: now, writes });
        }
        answer
    }

    /// What one step of a write has left.
    fn after(&self, kind: &str, step: &Value, table: Option<&str>) -> (Key, Option<Item>) {
        match kind {
            "Put" | "PutItem" => (key(&step["Item"]), Some(step["Item"].clone())),
            "Delete" | "DeleteItem" => (key(&step["Key"]), None),
            _ => {
                let get = json!({ "TableName": table, "Key": step["Key"], "ConsistentRead": true });
                let (_, body) = run(&self.0.table, "GetItem", get.to_string().as_bytes());
                let mut got: Value = serde_json::from_str(&body).unwrap_or_default();
                (key(&step["Key"]), Some(got["Item"].take()).filter(Value::is_object))
            }
        }
    }

    /// Shows in the indexes what they have to show by now.
    fn catch_up(&self) {
        let now = self.0.clock.now();
        let mut state = self.state();
        while let Some(first) = state.behind.first_entry().filter(|first| first.key().0 <= now) {
            let (key, item) = first.remove();
            let (operation, body) = if let Some(item) = item {
                ("PutItem", json!({ "TableName": super::TABLE, "Item": item }))
            } else {
                let key = json!({ "PK": { "S": key.0 }, "SK": { "S": key.1 } });
                ("DeleteItem", json!({ "TableName": super::TABLE, "Key": key }))
            };
            let (status, said) = run(&self.0.index, operation, body.to_string().as_bytes());
            assert_eq!(status, 200, "{said}");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Mostly an index follows within a second, now and then it takes minutes. The writes of one item stay in their order.
    fn lag_behind(&mut self, now: Timestamp, key: &Key, item: Option<Item>) {
        let lag = match self.dice.random_range(0..40) {
            0 => Duration::from_secs(self.dice.random_range(1..600)),
            1..=9 => Duration::from_millis(self.dice.random_range(1..1_000)),
            _ => Duration::ZERO,
        };
        let before = self.behind.iter().rev().find(|(_, (other, _))| other == key).map(|((at, _), _)| *at);
        self.written += 1;
        let at = now.plus(lag).max(before.unwrap_or(now));
        self.behind.insert((at, self.written), (key.clone(), item));
    }
}

fn indexed(item: Option<&Item>) -> bool {
    item.is_some_and(|item| item["workShard"].is_object() || item["nextChargeAt"].is_object())
}

fn key(item: &Item) -> Key {
    let text = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
    (text("PK"), text("SK"))
}

/// Has the engine carry out one call.
fn run(database: &Database, operation: &str, body: &[u8]) -> Answered {
    let done = match operation {
        "CreateTable" => asked(body, |request| database.create_table(request)),
        "DescribeTable" => asked(body, |request| database.describe_table(request)),
        "ListTables" => asked(body, |request| database.list_tables(request)),
        "UpdateTable" => asked(body, |request| database.update_table(request)),
        "UpdateTimeToLive" => asked(body, |request| database.update_time_to_live(request)),
        "GetItem" => asked(body, |request| database.get_item(request)),
        "BatchGetItem" => asked(body, |request| database.batch_get_item(request)),
        "Query" => asked(body, |request| database.query(request)),
        "Scan" => asked(body, |request| database.scan(request)),
        "PutItem" => asked(body, |request| database.put_item(request)),
        "UpdateItem" => asked(body, |request| database.update_item(request)),
        "DeleteItem" => asked(body, |request| database.delete_item(request)),
        "TransactWriteItems" => asked(body, |request| database.transact_write_items(request)),
        other => panic!("the simulation's engine does not know {other}"),
    };
    match done {
        Ok(answer) => (200, answer),
        Err(error) => (error.status_code(), error.to_json()),
    }
}

fn asked<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    ask: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request =
        serde_json::from_slice(body).map_err(|error| DynoxideError::ValidationException(error.to_string()))?;
    Ok(serde_json::to_string(&ask(request)?).expect("JSON"))
}
