use std::ffi::OsString;
use std::path::PathBuf;

use local::seed::World;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::TestApp;

/// The bundle, and an operator before it.
pub(crate) struct Desk {
    pub(crate) app: TestApp,
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: u8,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Desk {
    pub(crate) async fn with(world: World) -> Self {
        Self::at(TestApp::with(world).await)
    }

    pub(crate) async fn approved() -> Self {
        Self::with(tests::approved()).await
    }

    fn at(app: TestApp) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bundle = &app.bundle;
        let ready = json!({
            "dynamoDbUrl": app.dynamo.url(),
            "tableName": bundle.table_name,
            "clockUrl": bundle.clock_url,
            "queueUrl": bundle.notifications_url(),
            "carrierUrl": bundle.carrier_url,
            "carrierSecret": bundle.carrier_secret,
            "slackApiUrl": format!("{}/api", bundle.slack_url),
            "slackSecret": bundle.slack_secret,
        });
        std::fs::write(folder.path().join("ready.json"), ready.to_string()).unwrap();
        Self { app, folder }
    }

    /// Writes a file and returns where it is.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    /// The test's organization.
    pub(crate) fn org(&self) -> String {
        self.app.organization.to_string()
    }

    /// Runs a command as `grace`, who types `typed` at a terminal, or cannot be asked.
    pub(crate) async fn typing(&self, typed: Option<&str>, arguments: &[&str]) -> Ended {
        let ready = self.folder.path().join("ready.json");
        let mut line: Vec<OsString> = vec!["ops".into(), format!("--local={}", ready.display()).into()];
        line.extend(["--as", "grace"].map(OsString::from));
        line.extend(arguments.iter().map(OsString::from));
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let code = {
            let mut io = ops::Io {
                interactive: typed.is_some(),
                input: &mut typed.unwrap_or_default().as_bytes(),
                output: &mut output,
                errors: &mut errors,
                clock: self.app.clock.clone(),
            };
            Box::pin(ops::run(line, &mut io)).await
        };
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code, output: text(output), errors: text(errors) }
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.typing(None, arguments).await
    }

    /// What a command that is done prints as JSON.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--json"]].concat()).await;
        ended.done()
    }

    /// Everything that is stored, in an order that does not depend on the engine.
    pub(crate) async fn stored(&self) -> Vec<String> {
        let mut items: Vec<String> = self.app.items().await.iter().map(Value::to_string).collect();
        items.sort_unstable();
        items
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn done(&self) -> Value {
        assert_eq!((self.code, self.errors.as_str()), (0, ""), "{self:?}");
        serde_json::from_str(&self.output).unwrap_or_else(|_| panic!("not JSON: {}", self.output))
    }

    /// Checks that the command was refused with one sentence that says `why`.
    #[track_caller]
    pub(crate) fn refused(&self, why: &str) {
        assert_eq!((self.code, self.output.as_str()), (1, ""), "{self:?}");
        assert!(self.errors.starts_with("error: ") && self.errors.trim_end().lines().count() == 1, "{self:?}");
        assert!(self.errors.contains(why), "{self:?}");
    }
}
