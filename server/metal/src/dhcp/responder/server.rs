//! Answers where we hand out the addresses (RFC 2131 section 4.3).

use std::net::Ipv4Addr;

use dhcproto::v4::MessageType;

use super::{Case, Outgoing, Silence, Verdict};
use crate::dhcp::{
    boot::{self, BootFile},
    pool::{Claim, Pool},
    reply::{self, Reply, server_identifier},
    request::{Request, Wish},
};

type Answer = Result<(Option<Ipv4Addr>, Verdict), reply::Error>;

pub(super) fn answer(case: &Case<'_>, pool: &mut Pool) -> Answer {
    match case.request.wish {
        Wish::Discover => offer(case, pool),
        Wish::Request => requested(case, pool),
        Wish::Decline => {
            Ok(give_up(case.request.requested, |address| pool.decline(claim(case), address, case.now)))
        }
        Wish::Release => {
            Ok(give_up(Some(case.request.ciaddr), |address| pool.release(claim(case), address, case.now)))
        }
        Wish::Inform => inform(case),
    }
}

/// What a REQUEST means (RFC 2131 table 4).
#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// It takes our offer.
    Selecting(Ipv4Addr),
    /// It takes another server's offer.
    Elsewhere,
    /// It had this address before it rebooted.
    Rebooting(Ipv4Addr),
    /// It uses this address and wants to go on.
    Renewing(Ipv4Addr),
    /// It says too little.
    Unclear,
}

fn phase(case: &Case<'_>) -> Phase {
    let Request { server, requested, ciaddr, .. } = *case.request;
    match (server, requested) {
        (Some(server), _) if server != server_identifier(case.request, case.network) => Phase::Elsewhere,
        (Some(_), Some(address)) => Phase::Selecting(address),
        (_, None) if !ciaddr.is_unspecified() => Phase::Renewing(ciaddr),
        (None, Some(address)) => Phase::Rebooting(address),
        _ => Phase::Unclear,
    }
}

fn claim<'a>(case: &Case<'a>) -> Claim<'a> {
    Claim { network: case.network, mac: case.request.mac, reserved: case.reserved, directory: case.directory }
}

fn offer(case: &Case<'_>, pool: &mut Pool) -> Answer {
    let Some(address) = pool.offer(claim(case), case.request.requested, case.now) else {
        return Ok((None, Verdict::Silent(Silence::Exhausted)));
    };
    let reply = lease_reply(case, MessageType::Offer, address);
    Ok((Some(address), Verdict::Send(case.outgoing(MessageType::Offer, &reply)?)))
}

fn requested(case: &Case<'_>, pool: &mut Pool) -> Answer {
    match phase(case) {
        Phase::Selecting(address) | Phase::Renewing(address) => bind(case, pool, address),
        Phase::Rebooting(address) => match case.reserved.or(pool.lease_of(case.request.mac)) {
            Some(recorded) if recorded == address => bind(case, pool, address),
            None if case.network.cidr.contains(&address) => Ok((None, Verdict::Silent(Silence::NoRecord))),
            _ => Ok((None, Verdict::Send(nak(case)?))),
        },
        Phase::Elsewhere => {
            pool.forget_offer(case.request.mac);
            Ok((None, Verdict::Silent(Silence::OtherServer)))
        }
        Phase::Unclear => Ok((None, Verdict::Silent(Silence::NoRecord))),
    }
}

/// Whatever the client may have, offered by us or not: after a restart our offers are forgotten, but the addresses in
/// them are still free.
fn bind(case: &Case<'_>, pool: &mut Pool, address: Ipv4Addr) -> Answer {
    match pool.bind(claim(case), address, case.now) {
        Some(lease) => {
            let reply = lease_reply(case, MessageType::Ack, address).using(case.request.ciaddr);
            let ack = case.outgoing(MessageType::Ack, &reply)?;
            Ok((Some(address), Verdict::Commit(lease, Some(ack))))
        }
        None => Ok((None, Verdict::Send(nak(case)?))),
    }
}

fn nak(case: &Case<'_>) -> Result<Outgoing, reply::Error> {
    case.outgoing(MessageType::Nak, &case.reply(MessageType::Nak))
}

fn lease_reply(case: &Case<'_>, kind: MessageType, address: Ipv4Addr) -> Reply {
    with_settings(case, case.reply(kind).lease(address, case.network))
}

fn with_settings(case: &Case<'_>, reply: Reply) -> Reply {
    let Case { request, network, loader, hostname, .. } = case;
    let file = BootFile::choose(network, request, loader);
    reply.segment(network, hostname.as_deref()).boot(network, file.as_ref()).with(boot::options_as_server(
        network,
        request,
        file.as_ref(),
    ))
}

/// Settings without an address, for a client that has one (RFC 2131 section 4.3.5).
fn inform(case: &Case<'_>) -> Answer {
    let ciaddr = case.request.ciaddr;
    if !case.network.is_host(ciaddr) {
        return Ok((None, Verdict::Silent(Silence::NoRecord)));
    }
    let reply = with_settings(case, case.reply(MessageType::Ack)).using(ciaddr);
    Ok((None, Verdict::Send(case.outgoing(MessageType::Ack, &reply)?)))
}

fn give_up(
    address: Option<Ipv4Addr>,
    take_back: impl FnOnce(Ipv4Addr) -> Option<crate::dhcp::Lease>,
) -> (Option<Ipv4Addr>, Verdict) {
    let verdict = match address.and_then(take_back) {
        Some(lease) => Verdict::Commit(lease, None),
        None => Verdict::Silent(Silence::NoRecord),
    };
    (None, verdict)
}
