//! The HTTP listeners: health, readiness, metrics, and what clients learn of the server.

mod serve;

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

pub(super) use serve::{Bound, bind, serve};

use super::{
    lifecycle::{Phase, Phases},
    metrics::{self, Kind, Numbers, Page},
};
use crate::{clock, conference::wire::services};

/// What the routes tell.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) phases: Phases,
    pub(super) started: Instant,
    pub(super) numbers: Arc<[Arc<dyn Numbers>]>,
    /// The document of `/.well-known/confkit`.
    pub(super) services: services::Services,
}

/// The routes.
pub(super) fn routes(told: Told) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .route("/metrics", get(page))
        .route("/.well-known/confkit", get(well_known))
        .with_state(told)
}

/// The process lives and its event loop turns.
async fn health() -> &'static str {
    "ok\n"
}

/// New calls are taken.
async fn ready(State(told): State<Told>) -> Response {
    match told.phases.now() {
        Phase::Ready => "ready\n".into_response(),
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "starting\n").into_response(),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "30")], "draining\n").into_response(),
    }
}

async fn page(State(told): State<Told>) -> Response {
    let mut page = Page::default();
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    page.labelled(Kind::Gauge, "confkit_build_info", "The version that runs.", &version, 1_u32);
    let uptime = clock::now().saturating_duration_since(told.started).as_secs_f64();
    page.number(Kind::Gauge, "confkit_uptime_seconds", "Time since the start.", uptime);
    let ready = u32::from(told.phases.now() == Phase::Ready);
    page.number(Kind::Gauge, "confkit_ready", "1 while new calls are taken.", ready);
    for numbers in told.numbers.iter() {
        numbers.collect(&mut page).await;
    }
    metrics::process(&mut page);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page.into_text()).into_response()
}

async fn well_known(State(told): State<Told>) -> Response {
    let services = services::Services { draining: told.phases.now() == Phase::Draining, ..told.services };
    ([(header::CONTENT_TYPE, services::CONTENT_TYPE)], services.to_xml()).into_response()
}
