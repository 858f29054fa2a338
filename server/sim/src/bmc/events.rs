//! The EventService (DSP2046): whoever subscribed is told when power changes, by POST to an address of its own or over a
//! stream that it opened (server-sent events, DSP0266 13.5).
//!
//! Delivery is tried once and bounded in time, as a BMC does it: who misses an event finds out by asking. Destinations
//! are plain HTTP to a literal loopback address, since a rack has no way out.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderValue, Method, Request as HttpRequest, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::broadcast};

use super::{
    reply::{Reply, collection, healthy},
    service::Request,
};
use crate::{
    boot::http::locate,
    machine::{Machine, Power},
    rack::Rack,
};

/// Where the stream is opened.
pub(super) const STREAM: &str = "/redfish/v1/EventService/SSE";
const PATH: &str = "/redfish/v1/EventService";
/// How many there may be for one BMC, and how many events a slow reader of the stream may be behind.
const MOST: usize = 8;
const BEHIND: usize = 16;
/// How long a delivery may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The subscriptions of one BMC.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    next: u32,
    event: u32,
    list: Vec<Subscription>,
    stream: Option<broadcast::Sender<Bytes>>,
}

#[derive(Clone, Debug)]
struct Subscription {
    id: u32,
    destination: String,
    context: String,
}

pub(super) fn answer(request: &Request<'_>, rest: &[&str]) -> Reply {
    match (&request.method, rest) {
        (&Method::GET, []) => Reply::ok(json!({
            "@odata.id": PATH,
            "@odata.type": "#EventService.v1_10_2.EventService",
            "Id": "EventService",
            "Name": "Event Service",
            "ServiceEnabled": true,
            "DeliveryRetryAttempts": 0,
            "EventTypesForSubscription": ["Alert", "StatusChange"],
            "EventFormatTypes": ["Event"],
            "ServerSentEventUri": STREAM,
            "Status": healthy(),
            "Subscriptions": { "@odata.id": format!("{PATH}/Subscriptions") },
            "Actions": { "#EventService.SubmitTestEvent": {
                "target": format!("{PATH}/Actions/EventService.SubmitTestEvent"),
            } },
        })),
        (&Method::GET, ["Subscriptions"]) => {
            let members: Vec<String> = list(request).iter().map(Subscription::path).collect();
            let path = format!("{PATH}/Subscriptions");
            Reply::ok(collection(&path, "EventDestinationCollection", "Subscriptions", &members))
        }
        (&Method::POST, ["Subscriptions"]) => subscribe(request),
        (&Method::GET, ["Subscriptions", id]) => {
            let found = list(request).into_iter().find(|subscription| subscription.id.to_string() == *id);
            found.map_or_else(|| Reply::missing(&request.path), |found| Reply::ok(found.show()))
        }
        (&Method::DELETE, ["Subscriptions", id]) => {
            let mut state = request.machine.state();
            let list = &mut state.bmc.extra().subscriptions.list;
            let before = list.len();
            list.retain(|subscription| subscription.id.to_string() != *id);
            if list.len() < before { Reply::empty() } else { Reply::missing(&request.path) }
        }
        (&Method::POST, ["Actions", "EventService.SubmitTestEvent"]) => {
            tell(request.rack, request.machine, "TestMessage", "A test event.");
            Reply::empty()
        }
        (&Method::GET, _) => Reply::missing(&request.path),
        _ => Reply::not_allowed(),
    }
}

fn list(request: &Request<'_>) -> Vec<Subscription> {
    let state = request.machine.state();
    state.bmc.extra.iter().flat_map(|extra| extra.subscriptions.list.iter().cloned()).collect()
}

fn subscribe(request: &Request<'_>) -> Reply {
    let text = |name: &str| request.body.get(name).and_then(Value::as_str).unwrap_or_default();
    let destination = text("Destination");
    let reachable = locate(destination).is_some_and(|(address, _)| address.ip().is_loopback());
    if destination.len() > 1024 || !reachable {
        return Reply::bad_value("Destination", &destination.into());
    }
    if text("Protocol") != "Redfish" {
        return Reply::bad_value("Protocol", &text("Protocol").into());
    }
    let context: String = text("Context").chars().take(256).collect();
    let mut state = request.machine.state();
    let subscriptions = &mut state.bmc.extra().subscriptions;
    if subscriptions.list.len() >= MOST {
        let text = "The number of subscriptions exceeds the limit.";
        return Reply::refuse(http::StatusCode::SERVICE_UNAVAILABLE, "EventSubscriptionLimitExceeded", text);
    }
    subscriptions.next += 1;
    let subscription = Subscription { id: subscriptions.next, destination: destination.to_owned(), context };
    subscriptions.list.push(subscription.clone());
    Reply::created(subscription.path(), subscription.show())
}

/// The stream of one BMC's events.
pub(super) fn stream(request: &Request<'_>) -> Response {
    let receiver = {
        let mut state = request.machine.state();
        let stream = &mut state.bmc.extra().subscriptions.stream;
        stream.get_or_insert_with(|| broadcast::channel(BEHIND).0).subscribe()
    };
    let events = futures::stream::unfold(receiver, |mut receiver| async {
        loop {
            match receiver.recv().await {
                Ok(event) => return Some((Ok::<_, std::convert::Infallible>(event), receiver)),
                // Who is too far behind misses events, which the ids show.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    });
    let first = futures::stream::iter([Ok(Bytes::from_static(b": stream opened\n\n"))]);
    let mut response = Response::new(Body::from_stream(first.chain(events)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// Tell subscribers that power has changed.
pub(crate) fn power_changed(rack: &Arc<Rack>, machine: &Arc<Machine>, power: Power) {
    let (message, text) = match power {
        Power::On => ("ServerPoweredOn", "The server was powered on."),
        Power::Off => ("ServerPoweredOff", "The server was powered off."),
    };
    tell(rack, machine, message, text);
}

fn tell(rack: &Arc<Rack>, machine: &Arc<Machine>, message: &str, text: &str) {
    let (list, stream, event) = {
        let mut state = machine.state();
        let Some(extra) = state.bmc.extra.as_mut() else { return };
        let subscriptions = &mut extra.subscriptions;
        if subscriptions.list.is_empty() && subscriptions.stream.is_none() {
            return;
        }
        subscriptions.event += 1;
        (subscriptions.list.clone(), subscriptions.stream.clone(), subscriptions.event)
    };
    let body = |context: &str| {
        json!({
            "@odata.type": "#Event.v1_9_0.Event",
            "Id": event.to_string(),
            "Name": "Event",
            "Context": context,
            "Events": [{
                "EventId": event.to_string(),
                "EventType": "StatusChange",
                "EventTimestamp": jiff::Timestamp::now().to_string(),
                "MessageId": format!("ResourceEvent.1.3.{message}"),
                "Message": text,
                "MessageSeverity": "OK",
                "Severity": "OK",
                "OriginOfCondition": { "@odata.id": format!("/redfish/v1/Systems/{}", machine.model.bmc.system) },
            }],
        })
        .to_string()
    };
    if let Some(stream) = stream {
        // Nobody listens any more: the next one who does gets the next event.
        let _ = stream.send(Bytes::from(format!("id: {event}\ndata: {}\n\n", body(""))));
    }
    for subscription in list {
        let body = body(&subscription.context);
        rack.spawn(async move {
            if tokio::time::timeout(LIMIT, deliver(&subscription.destination, body)).await.is_err() {
                tracing::debug!(destination = subscription.destination, "an event was not taken in time");
            }
        });
    }
}

async fn deliver(destination: &str, body: String) {
    let Some((address, path)) = locate(destination) else { return };
    let sent = async {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let request = HttpRequest::post(path)
            .header(header::HOST, address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(|error| error.to_string())?;
        let exchange = sender.send_request(request);
        let (answer, _) = tokio::join!(exchange, connection);
        answer.map(|answer| answer.status()).map_err(|error| error.to_string())
    };
    if let Err(error) = sent.await {
        tracing::debug!(destination, error, "an event was not taken");
    }
}

impl Subscription {
    fn path(&self) -> String {
        format!("{PATH}/Subscriptions/{}", self.id)
    }

    fn show(&self) -> Value {
        json!({
            "@odata.id": self.path(),
            "@odata.type": "#EventDestination.v1_14_1.EventDestination",
            "Id": self.id.to_string(),
            "Name": format!("Subscription {}", self.id),
            "Destination": self.destination,
            "Context": self.context,
            "Protocol": "Redfish",
            "SubscriptionType": "RedfishEvent",
            "EventFormatType": "Event",
            "Status": healthy(),
        })
    }
}
