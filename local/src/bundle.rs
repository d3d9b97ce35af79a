//! The whole deployment in one process: engine, sandboxes, queues, schedules and every function.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use domain::{Clock, Randomness, SystemClock, SystemRandomness};
use runtime::Start;
use runtime::aws::Account;
use table::Table;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use utoipa_swagger_ui::{self as swagger, SwaggerUi};

use crate::deployment::{Deployment, Recurring, Surroundings};
use crate::sandbox::carrier::{self, Carrier};
use crate::sandbox::clock::{self, SandboxClock, TimeMachine};
use crate::sandbox::queue::{Queue, Queues};
use crate::sandbox::slack::{self, Slack};
use crate::template::Stack;
use crate::{engine, openapi};

const TABLE: &str = "phone-numbers";
/// The queue of notifications, as the template names it.
const NOTIFICATIONS: &str = "NotificationsQueue";
/// The queue of organizations whose numbers are to be charged.
const RENEWALS: &str = "RenewalsQueue";
const CARRIER_KEY: &str = "sandbox";
const BOT_TOKEN: &str = "xoxb-sandbox";
const SIGNING_SECRET: &str = "sandbox-signing-secret";

/// How a bundle is to run.
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: String,
    /// The folder that keeps everything; `None` forgets it with the process.
    pub data: Option<PathBuf>,
    /// The template's parameters where they are not its defaults, by name.
    pub parameters: BTreeMap<&'static str, String>,
    /// Another carrier than the sandbox, with its `/v2`.
    pub carrier_url: Option<String>,
    /// Where the sandbox Slack sends clicks, if not to this bundle.
    pub interactions_url: Option<String>,
    /// Another DynamoDB than the engine inside.
    pub dynamo_db_url: Option<String>,
    /// How long one try of a call to the table may take.
    pub table_time_out: Duration,
    /// The clock that the run's own, which can be moved ahead, begins with.
    pub clock: Arc<dyn Clock>,
    pub randomness: Arc<dyn Randomness>,
    /// How long the sandbox carrier takes to settle an order.
    pub settle_after: Duration,
    /// How long the sandbox carrier takes for every call.
    pub carrier_delay: Duration,
    /// How long a message that failed waits before it is tried again. The template's minutes are too long to watch.
    pub visibility: Duration,
}

impl Default for Options {
    /// In memory on a free port, with the template's prices and limits.
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            data: None,
            parameters: BTreeMap::new(),
            carrier_url: None,
            interactions_url: None,
            dynamo_db_url: None,
            // Nobody waits behind a gateway here, and the machine may be busy with something else.
            table_time_out: Duration::from_secs(30),
            clock: Arc::new(SystemClock),
            randomness: Arc::new(SystemRandomness),
            settle_after: Duration::from_millis(300),
            carrier_delay: Duration::ZERO,
            visibility: Duration::from_secs(5),
        }
    }
}

/// The bundle, running: the API with its documentation, a carrier, a Slack and the queues on one port, the engine on
/// another.
pub struct Bundle {
    pub base_url: String,
    pub docs_url: String,
    /// Where the time of the run is moved ahead.
    pub clock_url: String,
    pub clock: Arc<SandboxClock>,
    pub carrier_url: String,
    pub slack_url: String,
    pub slack_messages_url: String,
    /// Where SQS is. A queue's own address is this one and its name.
    pub queues_url: String,
    /// What opens the sandbox carrier and the sandbox Slack, in the form in which Secrets Manager holds it.
    pub carrier_secret: String,
    pub slack_secret: String,
    pub dynamo_db_url: String,
    pub table_name: &'static str,
    pub table: Table,
    pub carrier: Carrier,
    pub slack: Slack,
    /// The queue of verifications that staff are to be told of.
    pub notifications: Queue,
    /// The queue of organizations whose numbers are to be charged.
    pub renewals: Queue,
    /// What the functions' variables are here, in the form that `sam local invoke --env-vars` takes.
    pub variables: BTreeMap<String, BTreeMap<String, String>>,
    schedules: Vec<Recurring>,
    /// Held while schedules run, so that they do not run twice while the clock is moved.
    one_at_a_time: Arc<Mutex<()>>,
    starts: BTreeMap<String, Start>,
    stop: watch::Sender<bool>,
    server: JoinHandle<io::Result<()>>,
}

impl Bundle {
    /// Starts everything; it answers once this returns.
    ///
    /// # Errors
    /// The address is taken, the data cannot be read, or a function does not start.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(&options.listen)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {}: {error}", options.listen)))?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let dynamo_db_url = match &options.dynamo_db_url {
            Some(url) => url.clone(),
            None => engine::start(options.file("table.db").as_deref()).await?,
        };
        let clock = Arc::new(SandboxClock::open(options.clock.clone(), options.file("clock.json"))?);
        let account = Account { try_time_out: options.table_time_out, ..Account::local(dynamo_db_url.clone()) };
        let table = Table::new(&account.sdk_config(), TABLE.to_owned(), clock.clone());
        table.create_if_absent().await.map_err(io::Error::other)?;
        let (carrier, slack) = (options.carrier(clock.clone())?, options.slack(&base_url, clock.clone())?);

        let carrier_url = options.carrier_url.clone().unwrap_or_else(|| format!("{base_url}/sandbox/carrier/v2"));
        let (slack_url, queues_url) = (format!("{base_url}/sandbox/slack"), format!("{base_url}/sandbox/queue"));
        let mut around = surroundings(&dynamo_db_url, &carrier_url, &format!("{slack_url}/api"), &queues_url);
        around.parameters.extend(options.parameters.clone());
        let Deployment { routes, mut workers, schedules, starts, variables } =
            Deployment::start(Stack::built_in(), &around, |start| {
                start.clock = clock.clone();
                start.randomness = options.randomness.clone();
                start.try_time_out = options.table_time_out;
                start.call_time_out = Duration::MAX;
            })?;
        for (_, delivery) in workers.values_mut() {
            delivery.visibility = options.visibility;
        }
        let queues = Queues::new(workers);
        let one_at_a_time: Arc<Mutex<()>> = Arc::default();
        let machine = TimeMachine {
            clock: clock.clone(),
            table: table.clone(),
            schedules: schedules.clone(),
            queues: queues.clone(),
            one_at_a_time: one_at_a_time.clone(),
        };
        let everything = Router::new()
            .merge(docs())
            .nest("/sandbox/carrier", carrier.router())
            .nest("/sandbox/slack", slack.router())
            .nest("/sandbox/clock", clock::router(machine))
            // As people write it, too.
            .route("/sandbox/slack/", get(|| async { Redirect::to("/sandbox/slack") }))
            // The slash is how the SDK calls an endpoint.
            .nest("/sandbox/queue/", queues.router())
            .fallback_service(web::serve(routes));
        let (stop, mut stopped) = watch::channel(false);
        let server = axum::serve(listener, everything).with_graceful_shutdown(async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        });
        let server = tokio::spawn(async move { server.await });

        Ok(Self {
            docs_url: format!("{base_url}/docs/"),
            clock_url: format!("{base_url}/sandbox/clock"),
            clock,
            slack_messages_url: format!("{slack_url}/messages"),
            base_url,
            carrier_url,
            slack_url,
            queues_url,
            carrier_secret: carrier_secret(),
            slack_secret: slack_secret(),
            dynamo_db_url,
            table_name: TABLE,
            table,
            carrier,
            slack,
            notifications: queues.of(NOTIFICATIONS).clone(),
            renewals: queues.of(RENEWALS).clone(),
            variables,
            schedules,
            one_at_a_time,
            starts,
            stop,
            server,
        })
    }

    /// Where the queue of notifications is.
    #[must_use]
    pub fn notifications_url(&self) -> String {
        queue_url(&self.queues_url, NOTIFICATIONS)
    }

    /// Where the queue of organizations is whose numbers are to be charged.
    #[must_use]
    pub fn renewals_url(&self) -> String {
        queue_url(&self.queues_url, RENEWALS)
    }

    /// What the function of this name was started with.
    ///
    /// # Panics
    /// The template has no such function.
    #[must_use]
    pub fn start_of(&self, function: &str) -> &Start {
        self.starts.get(function).unwrap_or_else(|| panic!("the template has no function {function}"))
    }

    /// Does what the template schedules at a `rate(…)`, six times as often, because somebody is watching. What has its hour
    /// (`cron(…)`) waits for somebody to ask for it.
    pub fn follow_schedules(&self) {
        for recurring in self.schedules.clone() {
            if let Some(period) = recurring.period() {
                tokio::spawn(repeat(recurring, period / 6, self.one_at_a_time.clone()));
            }
        }
    }

    /// Takes no more requests, and waits a while for those under way.
    ///
    /// # Errors
    /// The server had failed.
    pub async fn stop(self) -> io::Result<()> {
        let _ = self.stop.send(true);
        match tokio::time::timeout(Duration::from_secs(5), self.server).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }
}

/// The page that shows the description. It asks nobody else: without the setting it would have a validator on the
/// internet read the description wherever the page is not served from this machine's own address.
fn docs() -> SwaggerUi {
    let page = swagger::Config::default().validator_url("none").use_base_layout().persist_authorization(true);
    SwaggerUi::new("/docs").url("/openapi.json", openapi::document()).config(page)
}

impl Options {
    /// The usual ones, with one of the template's parameters at another value than its default.
    #[must_use]
    pub fn with(parameter: &'static str, value: &str) -> Self {
        Self { parameters: BTreeMap::from([(parameter, value.to_owned())]), ..Self::default() }
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        self.data.as_ref().map(|folder| folder.join(name))
    }

    fn carrier(&self, clock: Arc<dyn Clock>) -> io::Result<Carrier> {
        let options = carrier::Options {
            api_key: CARRIER_KEY.to_owned(),
            file: self.file("carrier.json"),
            settle_after: self.settle_after,
            delay: self.carrier_delay,
        };
        Carrier::with_clock(options, clock)
    }

    fn slack(&self, base_url: &str, clock: Arc<dyn Clock>) -> io::Result<Slack> {
        let interactions_url = self.interactions_url.clone();
        let options = slack::Options {
            bot_token: BOT_TOKEN.to_owned(),
            file: self.file("slack.json"),
            clicks: Some(slack::Clicks {
                url: interactions_url.unwrap_or_else(|| format!("{base_url}/slack/interactions")),
                signing_secret: SIGNING_SECRET.to_owned(),
            }),
        };
        Slack::with_clock(options, clock)
    }
}

/// What the functions find around them on this machine, with the keys of the sandboxes.
#[must_use]
pub fn surroundings(dynamo_db_url: &str, carrier_url: &str, slack_api_url: &str, queues_url: &str) -> Surroundings {
    let queues = Stack::built_in().of_type("AWS::SQS::Queue");
    let mut resources: BTreeMap<String, String> =
        queues.map(|queue| (queue.to_owned(), queue_url(queues_url, queue))).collect();
    resources.insert("Table".to_owned(), TABLE.to_owned());
    Surroundings {
        parameters: BTreeMap::from([
            ("SipHost", "sip.example.com".to_owned()),
            ("TelnyxUrl", carrier_url.to_owned()),
            ("SlackUrl", slack_api_url.to_owned()),
        ]),
        resources,
        variables: BTreeMap::from([
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_ENDPOINT_URL", dynamo_db_url.to_owned()),
            ("AWS_ENDPOINT_URL_SQS", queues_url.to_owned()),
            ("TELNYX_SECRET", carrier_secret()),
            ("SLACK_SECRET", slack_secret()),
        ]),
    }
}

fn queue_url(queues_url: &str, name: &str) -> String {
    format!("{queues_url}/{name}")
}

async fn repeat(recurring: Recurring, period: Duration, one_at_a_time: Arc<Mutex<()>>) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let _alone = one_at_a_time.lock().await;
        recurring.run().await;
    }
}

fn carrier_secret() -> String {
    format!(r#"{{"apiKey":"{CARRIER_KEY}"}}"#)
}

fn slack_secret() -> String {
    format!(r#"{{"botToken":"{BOT_TOKEN}","channel":"C0SANDBOX","signingSecret":"{SIGNING_SECRET}"}}"#)
}
