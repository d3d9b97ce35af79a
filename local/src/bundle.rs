use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use clients::slack::SigningSecret;
use clients::telnyx::Telnyx;
use domain::number::Prices;
use domain::organization::PurchasePolicy;
use domain::{Clock, MicroUsd, SystemClock};
use kyb_notifier::Notifier;
use reconciler::Reconciler;
use runtime::Secret;
use runtime::aws::Account;
use runtime::message::SubmissionHandle;
use runtime::queue::Queue;
use table::Table;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use utoipa_swagger_ui::{self as swagger, SwaggerUi};
use web::ApiKeys;

use crate::sandbox::carrier::{self, Carrier};
use crate::sandbox::queue::Queue as SandboxQueue;
use crate::sandbox::slack::{self, Slack};
use crate::{engine, openapi};

const TABLE: &str = "phone-numbers";
const CARRIER_KEY: &str = "sandbox";
const BOT_TOKEN: &str = "xoxb-sandbox";
const SIGNING_SECRET: &str = "sandbox-signing-secret";

/// How a bundle is to run.
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: String,
    /// The folder that keeps everything; `None` forgets it with the process.
    pub data: Option<PathBuf>,
    /// Another carrier than the sandbox, with its `/v2`.
    pub carrier_url: Option<String>,
    /// Where the sandbox Slack sends clicks, if not to this bundle.
    pub interactions_url: Option<String>,
    /// Another DynamoDB than the engine inside.
    pub dynamo_db_url: Option<String>,
    /// How long one try of a call to the table may take.
    pub table_time_out: Duration,
    pub clock: Arc<dyn Clock>,
    /// How long the sandbox carrier takes to settle an order.
    pub settle_after: Duration,
    /// How long the sandbox carrier takes for every call.
    pub carrier_delay: Duration,
    /// How long a notification that failed waits before it is tried again.
    pub visibility: Duration,
    pub prices: Prices,
    pub policy: PurchasePolicy,
    pub import_monthly_fee: MicroUsd,
    pub import_limit: u32,
    pub sip_host: String,
    /// The Slack users who may decide about verifications; empty lets everybody.
    pub reviewers: Vec<String>,
}

impl Default for Options {
    /// In memory on a free port, with the prices and limits that the template has as its defaults.
    fn default() -> Self {
        let dollar = MicroUsd::from_micros(1_000_000);
        Self {
            listen: "127.0.0.1:0".to_owned(),
            data: None,
            carrier_url: None,
            interactions_url: None,
            dynamo_db_url: None,
            // Nobody waits behind a gateway here, and the machine may be busy with something else.
            table_time_out: Duration::from_secs(30),
            clock: Arc::new(SystemClock),
            settle_after: Duration::from_millis(300),
            carrier_delay: Duration::ZERO,
            visibility: Duration::from_secs(5),
            prices: Prices { upfront: dollar, monthly: dollar },
            policy: PurchasePolicy::Approved,
            import_monthly_fee: MicroUsd::ZERO,
            import_limit: 1_000,
            sip_host: "sip.example.com".to_owned(),
            reviewers: Vec::new(),
        }
    }
}

/// The bundle, running: the API with its documentation, a carrier, a Slack and a queue on one port, the engine on
/// another.
pub struct Bundle {
    pub base_url: String,
    pub docs_url: String,
    pub carrier_url: String,
    pub slack_url: String,
    pub slack_messages_url: String,
    pub queue_url: String,
    /// What opens the sandbox carrier and the sandbox Slack, in the form in which Secrets Manager holds it.
    pub carrier_secret: String,
    pub slack_secret: String,
    pub dynamo_db_url: String,
    pub table_name: &'static str,
    pub table: Table,
    pub carrier: Carrier,
    pub slack: Slack,
    pub queue: SandboxQueue,
    pub reconciler: Reconciler,
    stop: watch::Sender<bool>,
    server: JoinHandle<io::Result<()>>,
}

impl Bundle {
    /// Starts everything; it answers once this returns.
    ///
    /// # Errors
    /// The address is taken, or the data cannot be read.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(&options.listen)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {}: {error}", options.listen)))?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let file = |name: &str| options.data.as_ref().map(|folder| folder.join(name));

        let dynamo_db_url = match &options.dynamo_db_url {
            Some(url) => url.clone(),
            None => engine::start(file("table.db").as_deref()).await?,
        };
        let account = Account { try_time_out: options.table_time_out, ..Account::local(dynamo_db_url.clone()) };
        let table = Table::new(&account.sdk_config(), TABLE.to_owned());
        table.create_if_absent().await.map_err(io::Error::other)?;

        let carrier = Carrier::with_clock(
            carrier::Options {
                api_key: CARRIER_KEY.to_owned(),
                file: file("carrier.json"),
                settle_after: options.settle_after,
                delay: options.carrier_delay,
            },
            options.clock.clone(),
        )?;
        let interactions_url = options.interactions_url.clone();
        let slack = Slack::new(slack::Options {
            bot_token: BOT_TOKEN.to_owned(),
            file: file("slack.json"),
            clicks: Some(slack::Clicks {
                url: interactions_url.unwrap_or_else(|| format!("{base_url}/slack/interactions")),
                signing_secret: SIGNING_SECRET.to_owned(),
                clock: options.clock.clone(),
            }),
        })?;
        let slack_url = format!("{base_url}/sandbox/slack");
        let bot = clients::slack::Slack::new(&format!("{slack_url}/api"), Secret::given(&slack_secret()));
        let queue = SandboxQueue::new(
            Notifier { table: table.clone(), slack: bot.clone(), clock: options.clock.clone() },
            options.visibility,
        );

        let carrier_url = options.carrier_url.clone().unwrap_or_else(|| format!("{base_url}/sandbox/carrier/v2"));
        let queue_url = format!("{base_url}/sandbox/queue");
        let clients = Clients::new(&carrier_url, queue_url.clone(), bot);
        let reconciler = Reconciler {
            table: table.clone(),
            carrier: clients.carrier.clone(),
            queue: clients.queue.clone(),
            clock: options.clock.clone(),
        };
        let api = web::serve(routes(&options, &table, clients));
        let everything = Router::new()
            .merge(docs())
            .nest("/sandbox/carrier", carrier.router())
            .nest("/sandbox/slack", slack.router())
            // As people write it, too.
            .route("/sandbox/slack/", get(|| async { Redirect::to("/sandbox/slack") }))
            // The slash is how the SDK calls an endpoint.
            .nest("/sandbox/queue/", queue.router())
            .fallback_service(api);
        let (stop, mut stopped) = watch::channel(false);
        let server = axum::serve(listener, everything).with_graceful_shutdown(async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        });
        let server = tokio::spawn(async move { server.await });

        Ok(Self {
            docs_url: format!("{base_url}/docs/"),
            slack_messages_url: format!("{slack_url}/messages"),
            base_url,
            carrier_url,
            slack_url,
            queue_url,
            carrier_secret: carrier_secret(),
            slack_secret: slack_secret(),
            dynamo_db_url,
            table_name: TABLE,
            table,
            carrier,
            slack,
            queue,
            reconciler,
            stop,
            server,
        })
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

/// The ways to the services outside.
struct Clients {
    carrier: Telnyx,
    queue: Queue<SubmissionHandle>,
    slack: clients::slack::Slack,
}

impl Clients {
    fn new(carrier_url: &str, queue_url: String, slack: clients::slack::Slack) -> Self {
        let secret = Secret::given(&carrier_secret());
        let account = Account::local(queue_url.clone());
        Self {
            carrier: Telnyx::new(carrier_url, secret, TABLE),
            queue: Queue::new(&account.sdk_config(), queue_url),
            slack,
        }
    }
}

/// The routers of all functions, as Lambda runs them.
fn routes(options: &Options, table: &Table, Clients { carrier, queue, slack }: Clients) -> Router {
    let clock = options.clock.clone();
    let keys = ApiKeys::new(table.clone(), clock.clone());
    let sip_host: Arc<str> = options.sip_host.as_str().into();
    numbers::router(numbers::App {
        keys: keys.clone(),
        table: table.clone(),
        carrier: carrier.clone(),
        clock: clock.clone(),
        prices: options.prices,
        policy: options.policy,
        sip_host: sip_host.clone(),
        // No gateway gives up here.
        latest_order: Duration::MAX,
    })
    .merge(available::router(available::App {
        keys: keys.clone(),
        table: table.clone(),
        carrier,
        clock: clock.clone(),
        prices: options.prices,
    }))
    .merge(imports::router(imports::App {
        keys: keys.clone(),
        table: table.clone(),
        clock: clock.clone(),
        monthly_fee: options.import_monthly_fee,
        limit: options.import_limit,
        sip_host,
    }))
    .merge(kyb::router(kyb::App { keys, table: table.clone(), queue, clock: clock.clone() }))
    .merge(kyb_review::router(kyb_review::App {
        table: table.clone(),
        slack,
        signing: SigningSecret::new(Secret::given(&slack_secret())),
        clock,
        reviewers: options.reviewers.clone().into(),
    }))
}

fn carrier_secret() -> String {
    format!(r#"{{"apiKey":"{CARRIER_KEY}"}}"#)
}

fn slack_secret() -> String {
    format!(r#"{{"botToken":"{BOT_TOKEN}","channel":"C0SANDBOX","signingSecret":"{SIGNING_SECRET}"}}"#)
}
