//! Questions of HTTP requests to the exchange, and their answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::problem::ProblemDocument;
use crate::exchange::{AdminRequest, AnswerToken, Input, Problem};

/// Requests that may wait for the exchange at once; one more is answered 503.
pub(super) const MAX_WAITING: usize = 1024;
/// How long a request may wait to be handed over, and then for its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The requests that wait for the exchange.
#[derive(Default)]
pub(super) struct Answers {
    next: AtomicU64,
    waiting: DashMap<AnswerToken, oneshot::Sender<Result<Value, Problem>>>,
}

impl Answers {
    /// Puts a request into the exchange's mailbox and waits for what it says.
    ///
    /// Errors: what the exchange refuses; 503 where nothing was done, so that it may be tried again; 504
    /// where the exchange has it and does not say in time what came of it.
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
        let Ok(Ok(place)) = timeout(PATIENCE, mailbox.reserve()).await else {
            return Err(ProblemDocument::overloaded());
        };
        let is_question = request.is_question();
        place.send(Input::Administrator { token, request });
        match timeout(PATIENCE, receiver).await {
            Ok(Ok(answer)) => answer.map_err(ProblemDocument::from),
            _ if is_question => Err(ProblemDocument::overloaded()),
            _ => Err(ProblemDocument::outcome_unknown()),
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

    fn call() -> AdminRequest {
        AdminRequest::MakeCall { from: "201".into(), to: "202".into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_not_answered_may_be_asked_again() {
        let answers = Answers::default();
        let (mailbox, _inputs) = mpsc::channel(4);
        let refused = answers.ask(&mailbox, AdminRequest::Calls).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answers.waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_of_a_deed_that_is_not_answered_is_not_known() {
        let answers = Answers::default();
        let (mailbox, mut inputs) = mpsc::channel(4);
        let unknown = answers.ask(&mailbox, call()).await.unwrap_err();
        assert_eq!(unknown.status(), StatusCode::GATEWAY_TIMEOUT);
        assert!(inputs.try_recv().is_ok(), "the exchange has it");
        assert!(answers.waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deed_that_finds_no_place_was_not_done() {
        let answers = Answers::default();
        let (mailbox, mut inputs) = mpsc::channel(1);
        mailbox.try_send(Input::Drain).unwrap();
        let refused = answers.ask(&mailbox, call()).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(matches!(inputs.try_recv(), Ok(Input::Drain)));
        assert!(inputs.try_recv().is_err(), "nor will it be");
        assert!(answers.waiting.is_empty());
    }
}
