//! Questions of HTTP requests to the exchange, and their answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::problem::ProblemDocument;
use crate::exchange::{AdminRequest, AnswerToken, Input, Problem};

/// Requests that may wait for the exchange at once; one more is answered 503.
pub(super) const MAX_WAITING: usize = 1024;
/// How long a request may wait; then it is answered 503.
const PATIENCE: Duration = Duration::from_secs(10);

/// The requests that wait for the exchange.
#[derive(Default)]
pub(super) struct Answers {
    next: AtomicU64,
    waiting: DashMap<AnswerToken, oneshot::Sender<Result<Value, Problem>>>,
}

impl Answers {
    /// Puts a question into the exchange's mailbox and waits for what it says.
    pub(super) async fn ask(
        &self,
        mailbox: &mpsc::Sender<Input>,
        request: AdminRequest,
    ) -> Result<Value, ProblemDocument> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(ProblemDocument::overloaded());
        }
        let token = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(token, sender);
        // A client that goes away drops this future: the entry must go with it.
        let _waiting = Waiting { answers: self, token };
        let exchange = async {
            mailbox
                .send(Input::Administrator { token, request })
                .await
                .map_err(|_| ProblemDocument::overloaded())?;
            receiver.await.map_err(|_| ProblemDocument::overloaded())
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(answer) => answer?.map_err(ProblemDocument::from),
            Err(_) => Err(ProblemDocument::overloaded()),
        }
    }

    /// Hands an answer to the request that waits for it; late answers are dropped.
    pub(super) fn deliver(&self, token: AnswerToken, answer: Result<Value, Problem>) {
        if let Some((_, waiting)) = self.waiting.remove(&token) {
            // The request may have given up in this moment.
            let _ = waiting.send(answer);
        }
    }
}

struct Waiting<'a> {
    answers: &'a Answers,
    token: AnswerToken,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.answers.waiting.remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::http::StatusCode;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn an_answer_reaches_the_request_that_asked() {
        let answers = Arc::new(Answers::default());
        let (mailbox, mut inputs) = mpsc::channel(4);
        let asking = {
            let answers = Arc::clone(&answers);
            tokio::spawn(async move { answers.ask(&mailbox, AdminRequest::Lines).await })
        };
        let Some(Input::Administrator { token, request }) = inputs.recv().await else {
            panic!("no question arrived");
        };
        assert_eq!(request, AdminRequest::Lines);
        answers.deliver(token + 1, Ok(json!("somebody else's")));
        answers.deliver(token, Ok(json!([1])));
        assert_eq!(asking.await.unwrap().unwrap(), json!([1]));
        assert!(answers.waiting.is_empty());
    }

    #[tokio::test]
    async fn an_exchange_that_is_gone_is_an_overload() {
        let answers = Answers::default();
        let (mailbox, inputs) = mpsc::channel(4);
        drop(inputs);
        let refused = answers.ask(&mailbox, AdminRequest::Lines).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answers.waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_does_not_wait_for_ever() {
        let answers = Answers::default();
        let (mailbox, _inputs) = mpsc::channel(4);
        let refused = answers.ask(&mailbox, AdminRequest::Calls).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answers.waiting.is_empty());
    }
}
