//! Several attempts of one thing, each given a head start before the next: what RFC 8305 does with the addresses of a name.

use std::{collections::VecDeque, pin::Pin, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::clock;

/// An attempt.
pub(super) type Attempt<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Attempts in the order of preference. Dropping it ends those that are under way.
pub(super) struct Race<T, E> {
    waiting: VecDeque<Attempt<T, E>>,
    running: JoinSet<Result<T, E>>,
    step: Duration,
    next: Instant,
}

impl<T: Send + 'static, E: Send + 'static> Race<T, E> {
    /// Each attempt begins `step` after the one before it, or as soon as one has failed. Nothing begins before [`Race::next`].
    pub(super) fn new(attempts: impl IntoIterator<Item = Attempt<T, E>>, step: Duration) -> Self {
        Self { waiting: attempts.into_iter().collect(), running: JoinSet::new(), step, next: clock::now().into() }
    }

    /// What came of the next attempt to end; none when all have.
    pub(super) async fn next(&mut self) -> Option<Result<T, E>> {
        loop {
            tokio::select! {
                biased;
                // One that came to an end without a word was ended by a runtime that goes down.
                Some(ended) = self.running.join_next() => if let Ok(ended) = ended {
                    if ended.is_err() {
                        self.next = clock::now().into();
                    }
                    return Some(ended);
                },
                () = sleep_until(self.next), if !self.waiting.is_empty() => {
                    if let Some(attempt) = self.waiting.pop_front() {
                        self.running.spawn(attempt);
                    }
                    self.next = Instant::from_std(clock::now()) + self.step;
                }
                else => return None,
            }
        }
    }

    /// The first that succeeds, or how all failed, in the order in which they did.
    pub(super) async fn first(mut self) -> Result<T, Vec<E>> {
        let mut failed = Vec::new();
        while let Some(ended) = self.next().await {
            match ended {
                Ok(good) => return Ok(good),
                Err(error) => failed.push(error),
            }
        }
        Err(failed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    fn attempt(takes: u64, outcome: Result<u8, u8>) -> Attempt<u8, u8> {
        Box::pin(async move {
            sleep(Duration::from_millis(takes)).await;
            outcome
        })
    }

    #[expect(clippy::disallowed_methods, reason = "the time of these tests is the runtime's")]
    async fn won(attempts: Vec<Attempt<u8, u8>>) -> (Result<u8, Vec<u8>>, u128) {
        let began = Instant::now();
        let won = Race::new(attempts, Duration::from_millis(250)).first().await;
        (won, began.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_of_a_list_wins_where_it_answers_within_its_head_start() {
        assert_eq!(won(vec![attempt(200, Ok(1)), attempt(0, Ok(2))]).await, (Ok(1), 200));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_begins_without_waiting_for_one_that_says_nothing_and_at_once_behind_one_that_failed() {
        assert_eq!(won(vec![attempt(10_000, Ok(1)), attempt(50, Ok(2))]).await, (Ok(2), 300));
        assert_eq!(won(vec![attempt(10, Err(1)), attempt(50, Ok(2))]).await, (Ok(2), 60));
        assert_eq!(won(vec![attempt(400, Ok(1)), attempt(500, Ok(2))]).await, (Ok(1), 400));
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_fail_all_are_told() {
        assert_eq!(won(vec![attempt(300, Err(1)), attempt(10, Err(2)), attempt(10, Err(3))]).await, (Err(vec![2, 3, 1]), 300));
        assert_eq!(won(vec![]).await, (Err(vec![]), 0));
    }
}
