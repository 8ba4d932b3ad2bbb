//! Texts that wait for the model.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::error::Result;
use crate::model::Embedding;
use crate::tokenizer::Tokens;

/// Requests in turn, each with the texts that it still waits for.
#[derive(Default)]
pub(crate) struct Queue {
    requests: VecDeque<VecDeque<Job>>,
    pub(crate) texts: usize,
    pub(crate) tokens: usize,
    pub(crate) stopping: bool,
}

/// One text on its way through the model.
pub(crate) struct Job {
    pub(crate) tokens: Tokens,
    pub(crate) reply: oneshot::Sender<Result<Embedding>>,
}

impl Queue {
    /// Adds a request at the end.
    pub(crate) fn push(&mut self, request: VecDeque<Job>) {
        self.texts += request.len();
        self.tokens += request.iter().map(|job| job.tokens.len()).sum::<usize>();
        self.requests.push_back(request);
    }

    /// Takes texts of up to `budget` tokens, but at least one, a text from each request in turn: a short request waits
    /// for one text of each other request at most, however many they have.
    pub(crate) fn take(&mut self, budget: usize) -> Vec<Job> {
        let mut batch = Vec::new();
        let mut tokens = 0;
        while let Some(mut request) = self.requests.pop_front() {
            let Some(job) = request.pop_front() else { continue };
            if !batch.is_empty() && tokens + job.tokens.len() > budget {
                request.push_front(job);
                self.requests.push_front(request);
                break;
            }
            self.texts -= 1;
            self.tokens -= job.tokens.len();
            self.requests.push_back(request);
            if !job.reply.is_closed() {
                tokens += job.tokens.len();
                batch.push(job);
            }
        }
        batch
    }

    /// Drops what waits, for good.
    pub(crate) fn close(&mut self) {
        *self = Self { stopping: true, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::sync::oneshot;

    use super::{Job, Queue};
    use crate::tokenizer::Tokens;

    /// A request of texts with these lengths, and what its client holds on to.
    fn request(lengths: &[usize]) -> (VecDeque<Job>, Vec<impl Sized>) {
        let jobs = lengths.iter().map(|length| {
            let (reply, answer) = oneshot::channel();
            (Job { tokens: Tokens { ids: vec![0; *length], truncated: false }, reply }, answer)
        });
        jobs.unzip()
    }

    fn lengths(batch: &[Job]) -> Vec<usize> {
        batch.iter().map(|job| job.tokens.len()).collect()
    }

    #[test]
    fn requests_take_turns_within_the_budget() {
        let mut queue = Queue::default();
        let (large, _large) = request(&[100; 5]);
        let (small, _small) = request(&[7]);
        queue.push(large);
        queue.push(small);
        assert_eq!((queue.texts, queue.tokens), (6, 507));
        assert_eq!(lengths(&queue.take(250)), [100, 7, 100]);
        assert_eq!(lengths(&queue.take(250)), [100, 100]);
        assert_eq!(lengths(&queue.take(10)), [100], "a text over the budget goes alone");
        assert_eq!((queue.texts, queue.tokens), (0, 0));
        assert!(queue.take(250).is_empty());
    }

    #[test]
    fn texts_whose_client_has_gone_are_skipped() {
        let mut queue = Queue::default();
        let (gone, answers) = request(&[1, 2]);
        let (here, _here) = request(&[3]);
        queue.push(gone);
        queue.push(here);
        drop(answers);
        assert_eq!(lengths(&queue.take(250)), [3]);
        assert_eq!((queue.texts, queue.tokens), (0, 0));
    }
}
