//! What the gate left in a request's extensions.

use tonic::Request;

use crate::{auth::Caller, errors::Error, listen::Peer};

/// Who calls. The gate has put it there; where it has not, nobody calls.
pub(super) fn caller<T>(request: &Request<T>) -> Result<Caller, Error> {
    request.extensions().get::<Caller>().cloned().ok_or(Error::Unauthenticated("nobody is known to call"))
}

/// The other end of the connection.
pub(super) fn peer<T>(request: &Request<T>) -> Result<Peer, Error> {
    request.extensions().get::<Peer>().copied().ok_or(Error::Unauthenticated("the connection is not known"))
}
