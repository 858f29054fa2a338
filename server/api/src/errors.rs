//! The one place where anything that goes wrong becomes a `tonic::Status`.
//!
//! What a caller reads has four parts and, where HCL is to blame, attribute paths; they travel encoded under
//! [`underlay_proto::ERROR_DETAIL_KEY`]. What the database or the file system said stays in the log, under a request id
//! that the caller is shown.

use prost::Message;
use tonic::{Code, Status, metadata::MetadataValue};
use underlay_core::{ErrorKind, Failure, FieldError, Kind, Meta, is_for_want_of_room, view};
use underlay_proto::{ERROR_DETAIL_KEY, v1 as pb};
use underlay_store as store;
use uuid::Uuid;

use crate::convert::object;

/// The most bytes of detail that travel with a status: HTTP/2 peers bound their headers, and base64 adds a third.
const DETAIL: usize = 6 << 10;
/// The most characters of a status message.
const MESSAGE: usize = 800;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The request, or the spec in it, is wrong.
    #[error("the request is wrong in {} places", .0.len())]
    Invalid(Vec<FieldError>),
    /// Nobody knows who calls.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The caller may not do that.
    #[error("{0}")]
    Denied(String),
    /// The same, in four parts.
    #[error("{0}")]
    Forbidden(Box<Failure>),
    /// There is no such brake.
    #[error("{0}")]
    NoBrake(Box<Failure>),
    /// There is no such object; once there was, if a tombstone is left.
    #[error("there is no {kind} {name}")]
    Missing {
        /// The kind asked for.
        kind: Kind,
        /// How it was asked for.
        name: String,
        /// What is left of it.
        tombstone: Option<Box<Meta>>,
    },
    /// What stands in the way must be changed first.
    #[error("{0}")]
    Precondition(Box<Failure>),
    /// The same, and the HCL line to blame.
    #[error("{failure}")]
    Fenced {
        /// What a person reads.
        failure: Box<Failure>,
        /// At which attributes.
        fields: Vec<FieldError>,
    },
    /// Too much was asked for at once.
    #[error("{0}")]
    Exhausted(&'static str),
    /// What is asked for is not there now, but may be soon.
    #[error("{0}")]
    Unavailable(&'static str),
    /// This server does not do that.
    #[error("{0}")]
    Unsupported(&'static str),
    /// A Create met an object that is in somebody's state.
    #[error("{} {} exists", .0.kind, .0.key)]
    Exists(Box<Meta>),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What is stored could not be read.
    #[error(transparent)]
    View(#[from] view::Error),
    /// A certificate could not be issued.
    #[error(transparent)]
    Certificate(#[from] crate::tls::Error),
    /// A file could not be written.
    #[error("{doing}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// One fault of a request.
    pub(crate) fn field(attribute: &str, message: impl Into<String>) -> Self {
        Error::Invalid(vec![FieldError::new(attribute, message)])
    }
}

impl From<Vec<FieldError>> for Error {
    fn from(faults: Vec<FieldError>) -> Self {
        Error::Invalid(faults)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Status {
        match error {
            Error::Invalid(fields) => {
                let message = fields.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                status(Code::InvalidArgument, &message, Detail { fields, ..Detail::default() })
            }
            Error::Unauthenticated(why) => Status::unauthenticated(why),
            Error::Denied(why) => Status::permission_denied(why),
            Error::Forbidden(failure) => told(Code::PermissionDenied, *failure),
            Error::NoBrake(failure) => told(Code::NotFound, *failure),
            Error::Missing { ref tombstone, .. } => {
                let existing = tombstone.as_deref().cloned();
                status(Code::NotFound, &error.to_string(), Detail { existing, ..Detail::default() })
            }
            Error::Precondition(failure) => precondition(*failure, Vec::new()),
            Error::Fenced { failure, fields } => precondition(*failure, fields),
            Error::Exhausted(why) => Status::resource_exhausted(why),
            Error::Unavailable(why) => Status::unavailable(why),
            Error::Unsupported(why) => Status::unimplemented(why),
            Error::Exists(existing) => exists(*existing),
            Error::Store(error) => of_store(error),
            Error::View(error) => hidden(error.kind(), &error),
            Error::Certificate(crate::tls::Error::Request(why)) => status(
                Code::InvalidArgument,
                &format!("the certificate request {why}"),
                Detail { fields: vec![FieldError::new("csr", why)], ..Detail::default() },
            ),
            Error::Certificate(error) => hidden(ErrorKind::Permanent, &error),
            Error::File { .. } => hidden(ErrorKind::Transient, &error),
        }
    }
}

#[derive(Default)]
struct Detail {
    failure: Option<Failure>,
    fields: Vec<FieldError>,
    existing: Option<Meta>,
}

fn told(code: Code, failure: Failure) -> Status {
    let message = failure.to_string();
    status(code, &message, Detail { failure: Some(failure), ..Detail::default() })
}

fn precondition(failure: Failure, fields: Vec<FieldError>) -> Status {
    let message = failure.to_string();
    status(Code::FailedPrecondition, &message, Detail { failure: Some(failure), fields, existing: None })
}

fn exists(existing: Meta) -> Status {
    let (kind, key, id) = (existing.kind, &existing.key, existing.id);
    let failure = Failure::new(
        ErrorKind::Invalid,
        format!("creating {kind} {}", key.name),
        format!(
            "owner {} has one of that name in site {}, and it is in somebody's state",
            key.owner, key.site
        ),
        "nothing was changed",
        format!("To manage it from here run: terraform import underlay_{kind}.{} {id}", key.name),
    );
    let message = failure.to_string();
    let detail = Detail { failure: Some(failure), existing: Some(existing), ..Detail::default() };
    status(Code::AlreadyExists, &message, detail)
}

fn of_store(error: store::Error) -> Status {
    use store::Error as E;
    let code = match &error {
        E::AlreadyExists { .. } | E::TokenExists { .. } => Code::AlreadyExists,
        E::NotFound { .. } | E::Stale { .. } => Code::NotFound,
        E::Deleting { .. } | E::NoBackup => Code::FailedPrecondition,
        E::Moved { .. } | E::Conflict { .. } | E::Fenced { .. } | E::Claimed { .. } | E::Crowded { .. } => {
            Code::Aborted
        }
        E::Expired { .. } => Code::OutOfRange,
        _ => return hidden(error.kind(), &error),
    };
    status(code, &error.to_string(), Detail::default())
}

/// An error whose words are for the log only.
fn hidden(kind: ErrorKind, error: &(dyn std::error::Error + 'static)) -> Status {
    let id = Uuid::new_v4();
    let causes = std::iter::successors(error.source(), |cause| cause.source())
        .map(|cause| format!(": {cause}"))
        .collect::<String>();
    tracing::error!(error_id = %id, error = %error, causes, "a call failed inside the server");
    let (code, next) = match kind {
        ErrorKind::Transient => (Code::Unavailable, "Try again; if it stays"),
        ErrorKind::Permanent | ErrorKind::Invalid => (Code::Internal, "To find out why"),
    };
    let (why, next) = if is_for_want_of_room(error) {
        ("the disk that holds its data is full", "Make room there and try again; if it stays")
    } else {
        ("something inside it failed", next)
    };
    let failure = Failure::new(
        kind,
        "the server could not answer",
        why,
        "nothing was changed by this call",
        format!("{next}, look for error_id={id} in the server's log"),
    );
    let message = failure.to_string();
    status(code, &message, Detail { failure: Some(failure), ..Detail::default() })
}

fn status(code: Code, message: &str, detail: Detail) -> Status {
    let mut fields = object::fields(&detail.fields);
    let failure = detail.failure.as_ref().map(object::failure);
    let existing = detail.existing.as_ref().map(object::meta);
    let mut encoded = pb::ErrorDetail { failure, fields: Vec::new(), existing };
    let mut size = encoded.encoded_len();
    fields.retain(|field| {
        size += field.encoded_len() + 4;
        size <= DETAIL
    });
    encoded.fields = fields;
    let message: String = message.chars().take(MESSAGE).collect();
    let mut status = Status::new(code, message);
    if encoded.encoded_len() <= DETAIL {
        let bytes = MetadataValue::from_bytes(&encoded.encode_to_vec());
        status.metadata_mut().insert_bin(ERROR_DETAIL_KEY, bytes);
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(status: &Status) -> pb::ErrorDetail {
        let bytes = status.metadata().get_bin(ERROR_DETAIL_KEY).unwrap().to_bytes().unwrap();
        pb::ErrorDetail::decode(bytes).unwrap()
    }

    #[test]
    fn every_fault_keeps_its_attribute() {
        let faults = vec![FieldError::new("qemu.memory", "too small"), FieldError::new("host", "is missing")];
        let status = Status::from(Error::Invalid(faults));
        assert_eq!(status.code(), Code::InvalidArgument);
        let fields: Vec<_> = detail(&status).fields.into_iter().map(|field| field.attribute).collect();
        assert_eq!(fields, ["qemu.memory", "host"]);
    }

    #[test]
    fn more_faults_than_a_header_holds_are_cut() {
        let faults = (0..5000).map(|at| FieldError::new(format!("ssh_keys.{at}"), "x".repeat(50))).collect();
        let status = Status::from(Error::Invalid(faults));
        assert!(detail(&status).encoded_len() <= DETAIL);
        assert!(!detail(&status).fields.is_empty());
        assert!(status.message().len() <= MESSAGE);
    }

    #[test]
    fn what_the_inside_said_stays_inside() {
        let source = std::io::Error::other("/var/lib/secret/path");
        let status = Status::from(Error::File { doing: "writing the admin token", source });
        assert_eq!(status.code(), Code::Unavailable);
        let told = format!("{status:?}{:?}", detail(&status));
        assert!(!told.contains("secret/path") && !told.contains("admin token"), "{told}");
        assert!(status.message().contains("error_id="));
    }
}
