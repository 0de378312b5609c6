//! Whether another base identity may take the place of the one in force.

use crate::{
    app::{ready::RETRY, reload::READY},
    credentials::StsError,
};

/// Makes `attempt`s until one works. What keeps it from that speaks against the new identity where the one in force `works`; where that does
/// not either, a rejection alone does.
///
/// # Errors
/// Why the new one is not taken, for operators.
pub(super) async fn may_replace<F>(works: bool, attempt: impl Fn() -> F) -> Result<(), String>
where
    F: Future<Output = Result<(), StsError>>,
{
    let mut last = None;
    let attempts = async {
        loop {
            match attempt().await {
                Ok(()) => return Ok(()),
                Err(error @ StsError::Identity(_)) => return Err(error),
                Err(_) if !works => return Ok(()),
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    let outcome = tokio::time::timeout(READY, attempts).await;
    let wrong = match (outcome, last) {
        (Ok(Ok(())), _) => return Ok(()),
        (Ok(Err(error)), _) => error.to_string(),
        (Err(_), Some(error)) => format!("it did not work within {} s: {error}", READY.as_secs()),
        (Err(_), None) => format!("it did not work within {} s: there was no answer", READY.as_secs()),
    };
    Err(format!("credentials.source: {wrong}"))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What comes of answers like these, the last of which stays, and how many were had.
    async fn outcome(works: bool, answers: &[Result<(), &str>]) -> (Result<(), String>, usize) {
        let asked = Cell::new(0);
        let attempt = || {
            let answer = answers[asked.get().min(answers.len() - 1)];
            asked.set(asked.get() + 1);
            std::future::ready(answer.map_err(|wrong| match wrong {
                "rejected" => StsError::Identity(wrong.to_owned()),
                other => StsError::Unavailable(other.to_owned()),
            }))
        };
        (may_replace(works, attempt).await, asked.get())
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_never_seen_to_work_replaces_nothing_that_does() {
        assert_eq!(outcome(true, &[Ok(())]).await, (Ok(()), 1));
        assert_eq!(outcome(true, &[Err("no provider"), Err("no answer"), Ok(())]).await, (Ok(()), 3));
        let (refused, asked) = outcome(true, &[Err("no provider")]).await;
        let wrong = refused.unwrap_err();
        assert!(wrong.starts_with("credentials.source: it did not work within 10 s") && wrong.contains("no provider"), "{wrong}");
        assert!(asked > 5, "it is tried again");
        for works in [true, false] {
            let (refused, asked) = outcome(works, &[Err("rejected"), Ok(())]).await;
            assert!(refused.is_err() && asked == 1, "{refused:?}");
        }
        // Nothing is lost by one that may come to work.
        assert_eq!(outcome(false, &[Err("no answer")]).await, (Ok(()), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_never_answers_is_not_waited_for() {
        let refused = may_replace(true, std::future::pending).await.unwrap_err();
        assert!(refused.ends_with("there was no answer"), "{refused}");
    }
}
