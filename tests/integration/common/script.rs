//! A scripted server: one step per request, including cut connections.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "each test file uses some of it"
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

/// A received request.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Includes the query.
    pub path: String,
    pub head: String,
    pub body: Vec<u8>,
    pub at: Instant,
    /// The number of its connection.
    pub connection: usize,
}

/// The response to a request.
#[derive(Debug, Clone)]
pub enum Step {
    /// Answer with a status, headers and a body.
    Say(u16, Vec<(&'static str, String)>, String),
    /// Answer 200 with headers and bytes.
    Bytes(Vec<(&'static str, String)>, Vec<u8>),
    /// Answer after a delay.
    Late(Duration, u16, String),
    /// Close the connection without a response.
    Cut,
    /// Announce a longer body than is sent, and close the connection.
    Short(String),
    /// Start an answer and never finish it.
    Hang(String),
}

pub fn say(status: u16, body: impl ToString) -> Step {
    Step::Say(status, Vec::new(), body.to_string())
}

type Script = dyn Fn(&Asked, usize) -> Step + Send + Sync;

/// A scripted server on loopback.
pub struct Server {
    pub url: String,
    log: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// The script receives each request and the number of earlier ones.
    #[allow(clippy::disallowed_methods, reason = "the server lives as long as the test that holds it")]
    pub async fn start(script: impl Fn(&Asked, usize) -> Step + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let script: Arc<Script> = Arc::new(script);
        let heard = Arc::clone(&log);
        let task = tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, connection, Arc::clone(&script), Arc::clone(&heard)));
            }
        });
        Self { url, log, task }
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    /// The number of requests to a path.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.asked().iter().filter(|asked| asked.method == method && asked.path.starts_with(path)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, connection: usize, script: Arc<Script>, log: Arc<Mutex<Vec<Asked>>>) {
    while let Some(asked) = read(&mut stream, connection).await {
        let nth = {
            let mut log = log.lock().unwrap();
            log.push(asked.clone());
            log.len() - 1
        };
        let (status, headers, body, length, ends) = match script(&asked, nth) {
            Step::Say(status, headers, body) => (status, headers, body.into_bytes(), 0, true),
            Step::Bytes(headers, body) => (200, headers, body, 0, true),
            Step::Late(wait, status, body) => {
                sleep(wait).await;
                (status, Vec::new(), body.into_bytes(), 0, true)
            }
            Step::Cut => return,
            Step::Short(body) => (200, Vec::new(), body.into_bytes(), 100, true),
            Step::Hang(body) => (200, Vec::new(), body.into_bytes(), 100, false),
        };
        let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len() + length);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let written = stream.write_all(&[format!("{head}\r\n").as_bytes(), &body].concat()).await;
        if !ends {
            sleep(Duration::from_secs(60)).await;
        }
        if written.is_err() || length > 0 {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream, connection: usize) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let first = String::from_utf8_lossy(&bytes[..end]).lines().next().unwrap_or_default().to_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let length: usize = length.unwrap_or(0);
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    Some(Asked { method, path, head, body, at: Instant::now(), connection })
}
