//! The HTTP client under the AWS SDKs: `reqwest`, which speaks to the carrier and to Slack as well.
//!
//! The SDKs' own client brings a second pool and HTTP/2, which none of the services called here offers, 400 KB in all.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use reqwest::RequestBuilder;

use crate::http::{Http, Network};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// One client, whose connections all SDK clients of a configuration share. `endpoint_url` is empty for AWS itself.
pub(crate) fn http_client(endpoint_url: &str, network: Option<Arc<dyn Network>>) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Connector(Http::new(endpoint_url, CONNECT_TIMEOUT, network)));
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Clone, Debug)]
struct Connector(Http);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let http = self.0.clone();
        HttpConnectorFuture::new(async move { exchange(&http, request).await })
    }
}

/// Sends a request and reads its whole answer. Bodies are small and in memory on both sides.
async fn exchange(http: &Http, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let client = http.client().map_err(|error| ConnectorError::other(error.into(), None))?;
    let unusable = |error: Box<dyn std::error::Error + Send + Sync>| ConnectorError::user(error);
    let (parts, body) = request.try_into_http1x().map_err(|error| unusable(error.into()))?.into_parts();
    let body = body.bytes().ok_or_else(|| unusable("a body that is not in memory".into()))?.to_vec();
    let request = http::Request::from_parts(parts, body);
    let request = reqwest::Request::try_from(request).map_err(|error| unusable(error.into()))?;
    let mut answer: http::Response<reqwest::Body> =
        http.send(RequestBuilder::from_parts(client.clone(), request)).await.map_err(failure)?.into();
    let head = std::mem::take(answer.headers_mut());
    let status = answer.status();
    let body = reqwest::Response::from(answer).bytes().await.map_err(failure)?;
    let mut whole = http::Response::new(SdkBody::from(body));
    *whole.status_mut() = status;
    *whole.headers_mut() = head;
    HttpResponse::try_from(whole).map_err(|error| ConnectorError::other(error.into(), None))
}

fn failure(error: reqwest::Error) -> ConnectorError {
    let timed_out = error.is_timeout();
    let source = error.without_url().into();
    if timed_out { ConnectorError::timeout(source) } else { ConnectorError::io(source) }
}
