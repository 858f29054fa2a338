//! Where BMCs send their events (Redfish EventService, DSP0266 section 12). An event is a hint that a host is to be looked
//! at, and nothing more: its content is not even read, so nothing in it can be believed or do harm.
//!
//! The address is the proof: a secret per host, which only its BMC was told.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
};
use underlay_core::{ObjectId, boot::Redemption};

use super::Endpoint;

/// Of a proof: SHA-256 in hex.
const PROOF: usize = 64;

/// The body is taken in, up to the endpoint's bound, only so that the BMC gets to read the answer.
pub(super) async fn hear(
    State(endpoint): State<Arc<Endpoint>>,
    Path((host, proof)): Path<(String, String)>,
    _: Bytes,
) -> StatusCode {
    let Ok(host) = host.parse::<ObjectId>() else { return StatusCode::FORBIDDEN };
    if proof.len() != PROOF {
        return StatusCode::FORBIDDEN;
    }
    match endpoint.directory.hinted(host, &proof) {
        Redemption::Accepted => StatusCode::NO_CONTENT,
        Redemption::Refused => StatusCode::FORBIDDEN,
    }
}
