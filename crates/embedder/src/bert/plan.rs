//! Which sequences are computed together.

use std::cmp::Reverse;

/// Tokens of one packed batch, so that its activations stay in the caches and its memory is bounded. Only a single
/// longer sequence exceeds it.
pub(super) const MAX_BATCH_TOKENS: usize = 512;

/// Packs sequences into batches of at most [`MAX_BATCH_TOKENS`], and into at least `groups` batches of similar size
/// where there are enough sequences. Long ones come first, so that short ones fill the gaps.
pub(super) fn plan(sequences: &[&[u32]], groups: usize) -> Vec<Vec<usize>> {
    let total: usize = sequences.iter().map(|ids| ids.len()).sum();
    let budget = total.div_ceil(groups).min(MAX_BATCH_TOKENS);
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|index| Reverse(sequences[*index].len()));
    let mut batches: Vec<(usize, Vec<usize>)> = Vec::new();
    for index in order {
        let length = sequences[index].len();
        match batches.iter_mut().find(|(tokens, _)| tokens + length <= budget) {
            Some((tokens, batch)) => {
                *tokens += length;
                batch.push(index);
            }
            None => batches.push((length, vec![index])),
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}

#[cfg(test)]
mod tests {
    use super::{MAX_BATCH_TOKENS, plan};

    #[test]
    fn a_plan_has_every_sequence_once_and_keeps_to_its_budget() {
        let lengths = [3, 512, 256, 256, 1, 700, 40, 40, 40, 511, 2, 120];
        let ids: Vec<Vec<u32>> = lengths.iter().map(|length| vec![0; *length]).collect();
        let sequences: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
        for groups in 1..6 {
            let batches = plan(&sequences, groups);
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in &batches {
                let tokens: usize = batch.iter().map(|index| lengths[*index]).sum();
                assert!(tokens <= MAX_BATCH_TOKENS || batch.len() == 1, "{batch:?} has {tokens} tokens");
            }
            assert!(batches.len() >= groups);
        }
        assert!(plan(&[], 3).is_empty());
    }
}
