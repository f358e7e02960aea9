//! Clients in a closed loop, each on a connection of its own that is kept open; prints what every call took.

use crate::Failure;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How many calls may still begin, and until when.
struct Budget {
    calls: AtomicU64,
    end: Option<Instant>,
}

impl Budget {
    fn parse(until: &str) -> Result<Self, Failure> {
        match until.split_once(':') {
            Some(("count", n)) => Ok(Self { calls: AtomicU64::new(n.parse()?), end: None }),
            Some(("seconds", s)) => {
                Ok(Self { calls: AtomicU64::new(u64::MAX), end: Some(Instant::now() + Duration::from_secs(s.parse()?)) })
            }
            _ => Err(format!("until when? {until}").into()),
        }
    }

    fn take(&self) -> bool {
        let in_time = self.end.is_none_or(|end| Instant::now() < end);
        in_time && self.calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
    }
}

pub(crate) async fn run(address: SocketAddr, steps: &str, clients: u32, until: &str) -> Result<(), Failure> {
    let began = Instant::now();
    let budget = Arc::new(Budget::parse(until)?);
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        tasks.spawn(client(address, steps.to_owned(), Arc::clone(&budget)));
    }
    let mut ms: Vec<f64> = Vec::new();
    while let Some(calls) = tasks.join_next().await {
        ms.extend(calls??);
    }
    println!("{}", json!({"seconds": began.elapsed().as_secs_f64(), "ms": ms}));
    Ok(())
}

async fn client(address: SocketAddr, steps: String, budget: Arc<Budget>) -> Result<Vec<f64>, Failure> {
    let mut sender = connect(address).await?;
    let mut ms = Vec::new();
    while budget.take() {
        let began = Instant::now();
        call(&mut sender, address, "POST", "/Reference/chain", &steps).await?;
        ms.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(ms)
}

pub(crate) async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

pub(crate) async fn call(
    sender: &mut SendRequest<Full<Bytes>>,
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> Result<String, Failure> {
    let request = Request::builder().method(method).uri(path).header("host", address.to_string());
    let request = request.header("content-type", "application/json").body(Full::from(body.to_owned()))?;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let answer = String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()).into_owned();
    if status.is_success() { Ok(answer) } else { Err(format!("{path} answered {status}: {answer}").into()) }
}
