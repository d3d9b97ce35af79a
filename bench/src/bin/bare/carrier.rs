//! The carrier's calls of a purchase and of a release, without which neither is possible.

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use runtime::Error;
use serde_json::{Value, json};
use tokio::time::sleep;

/// The product's pauses while an order is pending: the first one, doubled each time up to the longest.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Carrier {
    http: Client,
    base_url: String,
    token: String,
}

impl Carrier {
    pub(crate) fn from_env() -> Result<Self, Error> {
        let secret: Value = serde_json::from_str(&std::env::var("TELNYX_SECRET")?)?;
        Ok(Self {
            http: Client::builder().no_proxy().tls_certs_only([]).build()?,
            base_url: std::env::var("TELNYX_URL")?,
            token: text(&secret["apiKey"]),
        })
    }

    /// Orders take only what a search has shown a moment ago.
    pub(crate) async fn search(&self, e164: &str) -> Result<(), Error> {
        let filters = [
            ("filter[country_code]", "US"),
            ("filter[phone_number_type]", "local"),
            ("filter[features][]", "voice"),
            ("filter[limit]", "10"),
            ("filter[national_destination_code]", &e164[2..5]),
            ("filter[phone_number][ends_with]", &e164[5..]),
        ];
        let found = self.call(self.http.get(self.url("available_phone_numbers")).query(&filters)).await?;
        if found[0]["phone_number"] == e164 { Ok(()) } else { Err("the number is not for sale".into()) }
    }

    /// Orders a number, waits until the order is done, and sets the number up; returns the number's id.
    pub(crate) async fn order(&self, e164: &str) -> Result<String, Error> {
        let reference = format!("bench{}", &e164[1..]);
        let order = json!({ "phone_numbers": [{ "phone_number": e164 }], "customer_reference": reference });
        let mut placed = self.call(self.http.post(self.url("number_orders")).json(&order)).await?;
        let mut pause = PAUSE;
        while placed["status"] == "pending" {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let path = format!("number_orders/{}", text(&placed["id"]));
            placed = self.call(self.http.get(self.url(&path))).await?;
        }
        let filters = [("filter[phone_number]", &e164[1..]), ("filter[customer_reference]", &reference)];
        let listed = self.call(self.http.get(self.url("phone_numbers")).query(&filters)).await?;
        let id = text(&listed[0]["id"]);
        let tags = json!({ "tags": ["bench"] });
        self.call(self.http.patch(self.url(&format!("phone_numbers/{id}"))).json(&tags)).await?;
        Ok(id)
    }

    pub(crate) async fn release(&self, id: &str) -> Result<(), Error> {
        self.call(self.http.delete(self.url(&format!("phone_numbers/{id}")))).await.map(drop)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base_url)
    }

    async fn call(&self, request: RequestBuilder) -> Result<Value, Error> {
        let answer = request.bearer_auth(&self.token).send().await?.error_for_status()?;
        Ok(answer.json::<Value>().await?["data"].take())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
