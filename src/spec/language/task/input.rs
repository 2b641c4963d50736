//! The `input` text of a call.

use super::super::prompt::PROMPT;
use super::call::{FieldSpec, Fields};
use crate::spec::{
    describe::{Key, key},
    value::Checked,
};

pub(super) const INPUT: Key = key("input", PROMPT, "input: \"{{ text }}\"", "The text.").required();

/// The fields of a call with only its text.
pub(super) fn only_input(map: &mut Checked) -> Option<Fields> {
    Some(vec![("input", FieldSpec::Text(map.get("input")?))])
}
