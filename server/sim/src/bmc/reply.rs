//! Answers: bodies, headers, and the error body of DSP0266 with messages of the Base registry.

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Value,
    /// In place of the body, with its type: what is no JSON.
    pub(super) text: Option<(&'static str, String)>,
}

impl Reply {
    pub(super) fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), body, text: None }
    }

    pub(super) fn empty() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: Value::Null, text: None }
    }

    /// A document that is no JSON.
    pub(super) fn document(kind: &'static str, text: String) -> Self {
        Self { text: Some((kind, text)), ..Self::ok(Value::Null) }
    }

    pub(super) fn created(location: String, body: Value) -> Self {
        Self { status: StatusCode::CREATED, headers: vec![(header::LOCATION, location)], body, text: None }
    }

    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A refusal with one message of the Base registry.
    pub(super) fn refuse(status: StatusCode, message: &str, text: impl Into<String>) -> Self {
        Self::refuse_as(status, &format!("Base.1.18.{message}"), text)
    }

    /// A refusal with a message of any registry.
    pub(super) fn refuse_as(status: StatusCode, id: &str, text: impl Into<String>) -> Self {
        let text = text.into();
        let info = json!({
            "@odata.type": "#Message.v1_1_2.Message",
            "MessageId": id,
            "Message": text,
            "MessageSeverity": "Critical",
            "Severity": "Critical",
            "Resolution": "See the message.",
        });
        let body = json!({ "error": {
            "code": id,
            "message": text,
            "@Message.ExtendedInfo": [info],
        } });
        Self { status, headers: Vec::new(), body, text: None }
    }

    pub(super) fn missing(path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        let text = format!("The resource at the URI '{path}' was not found.");
        Self::refuse(StatusCode::NOT_FOUND, "ResourceMissingAtURI", text)
    }

    pub(super) fn unknown_property(name: &str) -> Self {
        let text = format!("The property {name} is not in the list of valid properties for the resource.");
        Self::refuse(StatusCode::BAD_REQUEST, "PropertyUnknown", text)
    }

    pub(super) fn bad_value(name: &str, value: &Value) -> Self {
        let value: String = value.to_string().chars().take(100).collect();
        let text =
            format!("The value {value} for the property {name} is not in the list of acceptable values.");
        Self::refuse(StatusCode::BAD_REQUEST, "PropertyValueNotInList", text)
    }

    pub(super) fn not_allowed() -> Self {
        let text = "The HTTP method is not allowed on this resource.";
        Self::refuse(StatusCode::METHOD_NOT_ALLOWED, "OperationNotAllowed", text)
    }

    pub(super) fn into_response(self) -> Response {
        let (kind, body) = match (self.text, &self.body) {
            (Some((kind, text)), _) => (Some(kind), Body::from(text)),
            (None, Value::Null) => (None, Body::empty()),
            (None, body) => (Some("application/json; charset=utf-8"), Body::from(body.to_string())),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert("OData-Version", HeaderValue::from_static("4.0"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// A collection of resources.
pub(super) fn collection(path: &str, kind: &str, name: &str, members: &[String]) -> Value {
    let links: Vec<Value> = members.iter().map(|member| json!({ "@odata.id": member })).collect();
    json!({
        "@odata.id": path,
        "@odata.type": format!("#{kind}.{kind}"),
        "Name": name,
        "Members": links,
        "Members@odata.count": members.len(),
    })
}

/// `Status` of something that is there and well.
pub(super) fn healthy() -> Value {
    json!({ "State": "Enabled", "Health": "OK", "HealthRollup": "OK" })
}
