//! Texts without end, no two alike, so that no cache knows the next one. A word that is asked for stands in about one
//! text of 32.

use std::sync::atomic::{AtomicU64, Ordering};

const WHO: &str = "scheduler listener planner indexer reaper gateway loader worker parser broker tracer compiler \
                   allocator resolver exporter linter migrator watcher sampler router buffer daemon cursor session \
                   mirror replica archiver decoder splitter packer renderer throttle";
const DOES: &str = "drops retries caches merges delays rejects rewrites locks flushes signs forwards truncates replays \
                    splits hashes compresses restarts validates encrypts evicts polls batches reorders renames clones \
                    skips measures escapes pins rotates samples groups";
const WHAT: &str = "lease token vector snapshot migration certificate heartbeat deadline transaction trigger payload \
                    segment checksum socket header manifest histogram partition sequence bitmap tuple envelope queue \
                    schema credential timestamp permission webhook changelog artifact bucket fixture";
const WHEN: &str = "backups overflow failover shutdown upgrades contention rollbacks midnight deploys leaks timeouts \
                    startup vacuum throttling reconnects conflicts releases autosave bursts reboots audits imports \
                    refunds outages polling handover replication paging renewal eviction tests sharding";

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Something to be known: about 16 tokens.
pub fn entry() -> String {
    let ([who, does, what, when], number) = words();
    format!("The {who} {does} the {what} during {when}, as noted in {number}.")
}

/// Something longer to be known, of so many sentences of about 16 tokens.
pub fn note(sentences: usize) -> String {
    (0..sentences).map(|_| entry()).collect::<Vec<_>>().join(" ")
}

/// Something to be asked: about 16 tokens.
pub fn question() -> String {
    let ([who, does, what, when], number) = words();
    format!("Which {who} {does} a {what} during {when}, other than {number}?")
}

/// Looks like the hash of a text and is none: 64 hex digits.
pub fn digits() -> String {
    let number = mix(NEXT.fetch_add(1, Ordering::Relaxed));
    format!("{number:016x}").repeat(4)
}

fn words() -> ([&'static str; 4], u64) {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mixed = mix(number);
    let mut place = 0;
    let words = [WHO, DOES, WHAT, WHEN].map(|list| {
        place += 5;
        list.split_ascii_whitespace().nth((mixed >> place) as usize % 32).unwrap_or_default()
    });
    (words, number)
}

/// SplitMix64's finaliser: equal numbers of runs make equal texts.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn lists_are_full_and_texts_differ() {
        for list in [WHO, DOES, WHAT, WHEN] {
            assert_eq!(list.split_ascii_whitespace().collect::<HashSet<_>>().len(), 32, "{list}");
        }
        assert_eq!((0..1000).map(|_| entry()).collect::<HashSet<_>>().len(), 1000);
        assert_eq!(digits().len(), 64);
    }
}
