//! `etl schema`

use crate::spec::json_schema;

use super::show;

pub(super) fn schema() -> u8 {
    show(&format!("{:#}\n", json_schema()));
    0
}
