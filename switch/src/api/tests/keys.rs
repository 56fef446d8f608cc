//! POSTs with an `Idempotency-Key`: what is done once, and what is kept of it. Without sockets: time may be paused.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use sip_stack::time::Now;
use tokio::task::JoinHandle;

use super::*;

const CALL: &str = r#"{"from": "201", "to": "202"}"#;

/// Status, whether it is an answer that was given before, and the answer.
type Told = (u16, bool, Value);

/// Wants a call, with this key.
fn post(world: &World, key: &str) -> JoinHandle<Told> {
    let request = Request::post("/api/v1/calls")
        .header("authorization", "Bearer admin-token")
        .header("idempotency-key", key)
        .body(Body::from(CALL))
        .unwrap();
    let service = TowerToHyperService::new(router(Arc::clone(&world.api)));
    tokio::spawn(async move {
        let response = service.call(request).await.unwrap();
        let status = response.status().as_u16();
        let is_replayed = response.headers().contains_key("idempotency-replayed");
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, is_replayed, serde_json::from_slice(&body).unwrap())
    })
}

/// A call that is made, with this key.
async fn called(world: &mut World, key: &str) {
    let mut asked = post(world, key);
    tokio::select! {
        _ = world.answer(Ok(json!({"callId": 7}))) => {}
        refused = &mut asked => panic!("{refused:?}"),
    }
    assert_eq!(asked.await.unwrap(), (201, false, json!({"callId": 7})));
}

#[tokio::test(start_paused = true)]
async fn a_call_of_which_nobody_knows_what_came_is_not_made_again() {
    let mut world = world().await;
    let (status, is_replayed, first) = post(&world, "a").await.unwrap();
    assert_eq!((status, is_replayed), (504, false), "{first}");
    let asked = world.inputs.try_recv().unwrap();
    let Input::Administrator { request: AdminRequest::MakeCall { .. }, token } = asked else {
        panic!("{asked:?}");
    };
    // It comes, but too late.
    world.api.perform(Output::Answer { token, answer: Ok(json!({"callId": 7})) });
    assert_eq!(post(&world, "a").await.unwrap(), (504, true, first));
    assert!(world.inputs.try_recv().is_err(), "one call was asked for");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_handed_over_is_made_at_the_next_try() {
    let mut world = world().await;
    while world.api.mailbox.try_send(Input::Drain).is_ok() {}
    let (status, ..) = post(&world, "a").await.unwrap();
    assert_eq!(status, 503);
    while world.inputs.try_recv().is_ok() {}
    called(&mut world, "a").await;
}

#[tokio::test]
async fn who_asks_too_often_is_told_so_whatever_the_key_stands_for() {
    let mut world = world().await;
    let name = token("admin-token", Scope::Admin, None).name;
    // At the end of time: until then nothing is added. One more request is left.
    let end = Now::from_millis(u64::MAX);
    let others = rate::Rates::default();
    let most = (0..).take_while(|_| others.admit_token(end, &name)).count();
    assert!((1..most).all(|_| world.api.rates.admit_token(end, &name)));
    called(&mut world, "a").await;
    for key in ["a", "b"] {
        let (status, is_replayed, _) = post(&world, key).await.unwrap();
        assert_eq!((status, is_replayed), (429, false), "{key}");
    }
}

#[tokio::test]
async fn an_answer_that_is_given_again_is_no_new_deed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let mut world = world().await;
    world.api.audit(AuditFile::start(Some(path.clone())).unwrap());
    called(&mut world, "a").await;
    let (status, is_replayed, _) = post(&world, "a").await.unwrap();
    assert_eq!((status, is_replayed), (201, true));
    called(&mut world, "b").await;
    world.api.flush_audit(Duration::from_secs(60));
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written.matches("path=\"/api/v1/calls\" status=201").count(), 2, "{written}");
}
