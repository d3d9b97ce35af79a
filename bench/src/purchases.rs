//! Buying numbers and releasing them again. Each call needs a number of its own, so there are few of them.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use crate::counter::Counter;
use crate::engine::Engine;
use crate::report::Line;
use crate::routes::event;
use crate::runtime_api::Program;
use crate::samples::Samples;
use crate::subject::{Kind, Subject, bare, product};

pub(crate) const BUY: &str = "POST a purchase";
pub(crate) const RELEASE: &str = "DELETE a number";

/// One side: its process that buys and its process that releases, and what it has bought.
struct Trader {
    buyer: Subject,
    releaser: Subject,
    bought: VecDeque<String>,
    buys: Samples,
    releases: Samples,
}

/// The numbers of one exchange of the sandbox carrier's, whose last four digits have no special meaning.
struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> String {
        self.0 += 1;
        format!("+1415556{:04}", self.0)
    }
}

impl Trader {
    async fn start(kind: Kind, programs: [Program; 2], engine: &Engine) -> io::Result<Self> {
        let [buyer, releaser] = programs;
        let start = async |route, event_name, program| {
            let event = event(event_name, engine)?;
            Subject::start(kind.name(route), (route, kind), program, event).await
        };
        Ok(Self {
            buyer: start(BUY, "numbers-buy", buyer).await?,
            releaser: start(RELEASE, "numbers-release", releaser).await?,
            bought: VecDeque::new(),
            buys: Samples::default(),
            releases: Samples::default(),
        })
    }

    async fn buy(&mut self, e164: String) -> io::Result<Duration> {
        self.buyer.event["body"] = json!({ "e164": e164, "label": "Front desk" }).to_string().into();
        let (took, bought) = self.buyer.ask_for_body().await?;
        if bought["setupStatus"]["status"] == "action_required" {
            return Err(io::Error::other(format!("{}: the order of {e164} is in doubt: {bought}", self.buyer.name)));
        }
        self.bought.extend(bought["id"].as_str().map(str::to_owned));
        Ok(took)
    }

    async fn release(&mut self) -> io::Result<Duration> {
        let id = self.bought.pop_front().ok_or_else(|| io::Error::other("nothing is left to release"))?;
        self.releaser.event["rawPath"] = format!("/v1/phone-numbers/{id}").into();
        self.releaser.event["requestContext"]["http"]["path"] = self.releaser.event["rawPath"].clone();
        self.releaser.event["pathParameters"]["id"] = Value::from(id);
        self.releaser.ask().await
    }

    async fn measure_buy(&mut self, e164: String) -> io::Result<()> {
        let before = self.buyer.function.process.processor_time()?;
        let took = self.buy(e164).await?;
        let used = self.buyer.function.process.processor_time()?.saturating_sub(before);
        self.buys.add(took, used);
        Ok(())
    }

    async fn measure_release(&mut self) -> io::Result<()> {
        let before = self.releaser.function.process.processor_time()?;
        let took = self.release().await?;
        let used = self.releaser.function.process.processor_time()?.saturating_sub(before);
        self.releases.add(took, used);
        Ok(())
    }

    /// Counts the calls to the table of one purchase and of one release, each the second one of its process.
    async fn lines(mut self, engine: &Engine, numbers: &mut Numbers) -> io::Result<[Line; 2]> {
        let counter = Counter::start(engine.url.clone()).await?;
        self.buyer.restart_at(&counter.url).await?;
        self.releaser.restart_at(&counter.url).await?;
        self.buy(numbers.next()).await?;
        counter.take();
        self.buy(numbers.next()).await?;
        let buy = counter.take();
        self.release().await?;
        counter.take();
        self.release().await?;
        let release = counter.take();
        Ok([self.buys.line(&self.buyer, buy), self.releases.line(&self.releaser, release)])
    }
}

/// The product and the bare function in turn; the first of each is not counted.
pub(crate) async fn measure(engine: &Engine, folder: &str, calls: usize) -> io::Result<Vec<Line>> {
    engine.fund().await?;
    let mut numbers = Numbers(1000);
    let numbers_function = || product(engine, folder, "numbers");
    let bare_functions = ["buy", "release"].map(|kind| bare(engine, folder, kind));
    let mut traders = [
        Trader::start(Kind::Product, [numbers_function(), numbers_function()], engine).await?,
        Trader::start(Kind::Bare, bare_functions, engine).await?,
    ];
    for trader in &mut traders {
        trader.buy(numbers.next()).await?;
        trader.release().await?;
    }
    for _ in 0..calls {
        engine.forget_rates().await?;
        for trader in &mut traders {
            trader.measure_buy(numbers.next()).await?;
        }
    }
    for _ in 0..calls {
        for trader in &mut traders {
            trader.measure_release().await?;
        }
    }
    engine.forget_rates().await?;
    let [product, bare] = traders;
    let (product, bare) = (product.lines(engine, &mut numbers).await?, bare.lines(engine, &mut numbers).await?);
    let ([buy, release], [bare_buy, bare_release]) = (product, bare);
    Ok(vec![buy, bare_buy, release, bare_release])
}
