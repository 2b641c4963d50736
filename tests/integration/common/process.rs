//! The program and a simulator, each in a separate process.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::Folder;

/// The program built for the tests.
pub const ETL: &str = env!("CARGO_BIN_EXE_etl");

/// A simulator in a separate process, killed by its process id.
pub struct SimProcess {
    pub child: Child,
    pub url: String,
}

impl SimProcess {
    pub fn start(folder: &Folder, scenario: &str) -> Self {
        folder.write("scenario.yaml", scenario.as_bytes());
        let mut child = Command::new(ETL)
            .args(["sim", "--port", "0", "--speed", "3600", "--scenario"])
            .arg(folder.path("scenario.yaml"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        Self { url: url.trim_end_matches(';').to_owned(), child }
    }

    /// The server's own counts.
    pub fn stats(&self) -> Value {
        let url = format!("{}/sim/stats", self.url);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { reqwest::get(url).await.unwrap().json().await.unwrap() })
    }

    pub fn count(&self, name: &str) -> u64 {
        self.stats()[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in the stats"))
    }
}

impl Drop for SimProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
