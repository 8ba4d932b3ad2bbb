//! Who asks.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use super::state::Shared;
use crate::caller::Caller;

/// A token that was good is good for so long: a revoked one opens nothing after that.
const GOOD_FOR: Duration = Duration::from_secs(2);
const MAX_GOOD: u64 = 10_000;
/// Tokens that open nothing, from one address in a minute.
const MAX_FAILURES: u32 = 10;
const MINUTE: Duration = Duration::from_mins(1);
const MAX_ADDRESSES: u64 = 10_000;

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// What is known of tokens that were shown lately.
#[derive(Debug)]
pub(super) struct Tokens {
    good: Cache<[u8; 32], Caller>,
    failures: Cache<IpAddr, Arc<AtomicU32>>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            good: Cache::builder().max_capacity(MAX_GOOD).time_to_live(GOOD_FOR).build(),
            failures: Cache::builder().max_capacity(MAX_ADDRESSES).time_to_live(MINUTE).build(),
        }
    }
}

/// Who asks: the token that he shows says so, or the machine that he is on.
pub(super) async fn caller(shared: &Shared, head: &Parts) -> Result<Caller, Problem> {
    let mut shown = head.headers.get_all(AUTHORIZATION).iter();
    let Some(header) = shown.next() else {
        return if shared.config.require_token {
            Err(Problem::unauthorized("a token is needed: Authorization: Bearer at_…")
                .with_hint("`agent-turbo token create NAME` makes one"))
        } else {
            Ok(Caller::unrestricted())
        };
    };
    let token = header.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let Some(token) = token.filter(|_| shown.next().is_none()) else {
        return Err(Problem::unauthorized("one token is wanted: Authorization: Bearer at_…"));
    };
    // Looked up by a hash, so that how long it takes tells nothing of the token.
    let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    if let Some(caller) = shared.tokens.good.get(&hash) {
        return Ok(caller);
    }
    let peer = head.extensions.get::<Peer>().map_or(Ipv6Addr::UNSPECIFIED.into(), |peer| subnet(peer.0));
    let failures = shared.tokens.failures.get_with(peer, Arc::default);
    if failures.load(Ordering::Relaxed) >= MAX_FAILURES {
        return Err(Problem::too_many("too many tokens that open nothing came from this address"));
    }
    if let Some(token) = shared.app.orchestrator.check_token(token).await? {
        let caller = Caller::from(token);
        shared.tokens.good.insert(hash, caller.clone());
        return Ok(caller);
    }
    failures.fetch_add(1, Ordering::Relaxed);
    Err(Problem::unauthorized("the token opens nothing: it is unknown, was revoked, or has ended"))
}

/// Whoever has one IPv6 address has a /64 of them.
fn subnet(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = u128::from(address) & !u128::from(u64::MAX);
            Ipv6Addr::from(bits).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Every request has one; without, nothing is to be shown.
        head.extensions.get::<Self>().cloned().ok_or_else(Problem::internal)
    }
}
