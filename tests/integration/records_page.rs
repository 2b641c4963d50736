//! The pipeline of docs/records.md gives the columns that the page shows.

use std::{fs, path::Path};

use etl::run::Options;
use tokio_util::sync::CancellationToken;

use crate::common::{Folder, conserved, run, sql};

#[test]
fn the_record_of_the_page_about_records() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/records.md")).unwrap();
    let spec = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = Folder::new();
    folder.write(
        "reviews.csv",
        b"review_id,product,stars,text\na,,3,This is long enough to be kept.\nb,Tea,5,Short.\n",
    );
    let pipeline = folder.pipeline(spec, &[]);
    let ended =
        run(&pipeline, &Options { offline: true, ..Options::default() }, CancellationToken::new()).unwrap();
    conserved(&ended);
    let columns = sql(
        &folder.path("spec.duckdb"),
        "SELECT column_name FROM duckdb_columns() WHERE table_name = 'topics' ORDER BY column_index",
    );
    assert_eq!(
        columns.replace('\n', " "),
        "review_id topic_index product stars sentiment topic model request"
    );
    let ids = sql(&folder.path("spec.duckdb"), "SELECT DISTINCT review_id FROM topics");
    assert_eq!(ids, "a");
}
