//! Images and documents attached to a prompt, end to end.

use std::time::Duration;

use crate::common::{Ended, Folder, conserved, run_in};
use etl::{
    run::{Options, estimate},
    sim::{Sim, SimConfig},
};
use tokio_util::sync::CancellationToken;

/// One red pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9cc\xf8\xcf\xc0\0\0\x03\x01\x01\0\xc9\xfe\x92\xef\0\0\0\0IEND\xaeB`\x82";

const HEAD: &str = "
pipeline: test
mistral: { api_key: test }
duckdb: out.duckdb
stages:
";

async fn sim() -> Sim {
    let config = SimConfig {
        latency: Duration::from_millis(5),
        misfits: 0.0,
        speed: 100_000.0,
        ..SimConfig::default()
    };
    Sim::start(config).await.unwrap()
}

async fn run(folder: &Folder, stages: &str, sim: &Sim) -> Ended {
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let pipeline = folder.pipeline(&format!("{HEAD}{stages}"), &[]);
    run_in(&pipeline, &options, CancellationToken::new()).await.unwrap()
}

fn pictures() -> Folder {
    let folder = Folder::new();
    for name in ["a.png", "b.png", "sub/c.png"] {
        folder.write(&format!("pictures/{name}"), &[PNG, name.as_bytes()].concat());
    }
    folder
}

const LOOK: &str = "
  - source: pictures
    files: pictures/**/*.png
    content: false
  - map: look
    chat:
      model: mistral-small-latest
      prompt: What is on this picture?
      images: ['{{ file }}']
  - sink: out
    table: out
    columns: { path: path, bytes: bytes, look: look }
";

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_a_folder_are_asked_about_once() {
    let (folder, sim) = (pictures(), sim().await);
    let first = run(&folder, LOOK, &sim).await;
    conserved(&first);
    assert_eq!((first.sum.read, first.sum.rows, first.sum.failures), (3, 3, 0));
    insta::assert_snapshot!(folder.sql("SELECT path, bytes, length(look) > 0 FROM out ORDER BY path"), @"
    a.png | 74 | true
    b.png | 74 | true
    sub/c.png | 78 | true
    ");
    let asked = sim.stats();
    assert_eq!((asked.requests, asked.duplicates), (3, 0));
    conserved(&run(&folder, LOOK, &sim).await);
    assert_eq!(sim.stats().requests, 3, "the same pictures have their answers");
    folder.write("pictures/a.png", &[PNG, b"another"].concat());
    conserved(&run(&folder, LOOK, &sim).await);
    assert_eq!(sim.stats().requests, 4, "another picture under the same name is another question");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_fails_its_record_and_no_other() {
    let (folder, sim) = (pictures(), sim().await);
    folder.write("pictures/x.pdf", b"%PDF-1.7");
    folder.write("secret.png", PNG);
    let stages = "
  - source: names
    rows:
      - { id: 1, name: a.png }
      - { id: 2, name: z.png }
      - { id: 3, name: ../secret.png }
      - { id: 4, name: x.pdf }
      - { id: 5, name: sub }
    key: id
  - map: look
    chat: { model: mistral-small-latest, prompt: What is this?, images: 'pictures/{{ name }}' }
  - sink: out
    table: out
";
    let ended = run(&folder, stages, &sim).await;
    conserved(&ended);
    assert_eq!((ended.sum.rows, ended.sum.failures, sim.stats().requests), (1, 4, 1));
    let reasons = folder.sql("SELECT key, kind, reason FROM etl.failures ORDER BY key");
    let here = folder.path("").display().to_string();
    insta::assert_snapshot!(reasons.replace(&here, ""), @"
    2 | unreadable | cannot read `pictures/z.png`: no such file or directory
    3 | unreadable | `pictures/../secret.png` is outside of `pictures`
    4 | unreadable | `pictures/x.pdf` is not an image but application/pdf: use `documents:`
    5 | unreadable | `pictures/sub` is not a file
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_read_by_path_and_by_address() {
    let (folder, sim) = (Folder::new(), sim().await);
    folder.write("scans/a.pdf", b"%PDF-1.7 a");
    let stages = "
  - source: scans
    rows: [{ id: 1, at: a.pdf }, { id: 2, at: b.pdf }]
    key: id
  - map: read
    ocr: { model: mistral-ocr-latest, document: 'scans/{{ at }}' }
  - map: sum_up
    chat:
      model: mistral-small-latest
      prompt: '{{ read.markdown }}'
      documents: ['https://example.org/{{ at }}', 'data:application/pdf;base64,JVBERg==']
  - sink: out
    table: out
";
    let ended = run(&folder, stages, &sim).await;
    conserved(&ended);
    assert_eq!((ended.sum.rows, ended.sum.failures), (1, 1));
    assert_eq!(folder.sql("SELECT stage, key FROM etl.failures"), "read | 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_go_through_jobs_as_well() {
    let (folder, sim) = (pictures(), sim().await);
    let stages = LOOK.replace("    chat:", "    batch: { every: 10ms, wait: 50ms }\n    chat:");
    let ended = run(&folder, &stages, &sim).await;
    conserved(&ended);
    assert_eq!((ended.sum.rows, ended.sum.failures), (3, 0));
    // The answers equal the direct ones.
    conserved(&run(&folder, LOOK, &sim).await);
    assert_eq!(folder.sql("SELECT count(*) FROM etl.answers"), "3");
}

#[tokio::test]
async fn a_dry_run_shows_a_file_cut_short_and_counts_it_as_a_picture() {
    let folder = pictures();
    let estimate = estimate(&folder.pipeline(&format!("{HEAD}{LOOK}"), &[]), &Options::default()).await;
    let asks = estimate.unwrap().stages[0].asks.clone().unwrap();
    insta::assert_snapshot!(asks.first.unwrap(), @r#"
    {
      "model": "mistral-small-latest",
      "messages": [
        {
          "role": "user",
          "content": [
            {
              "type": "text",
              "text": "What is on this picture?"
            },
            {
              "type": "image_url",
              "image_url": {
                "url": "data:image/png;base64,iVBORw0KGgoAAAANSU… (122B)"
              }
            }
          ]
        }
      ],
      "prompt_cache_key": "etl-736015f24232c691"
    }
    "#);
    assert_eq!((asks.requests, asks.prompt_tokens / 3 / 1000), (3, 3));
}
