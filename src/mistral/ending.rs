//! What becomes of an answer, by its finish reason: the only such table. `docs/errors.md` shows the same.
//!
//! A model that stopped normally has answered. For any other finish reason, the text is a partial answer and
//! never becomes a row. The stages that call a model use [`Ending::of`].

/// What becomes of an answer, by its finish reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The answer is complete: it is validated.
    Whole,
    /// The answer was cut off at the limit passed to [`Ending::of`].
    Cut,
    /// The answer is refused with this message.
    Refused(&'static str),
}

/// The meaning of each `finish_reason`: the word, its ending, an explanation.
pub const ENDINGS: &[(&str, Ending, &str)] = &[
    ("stop", Ending::Whole, "the model has finished the answer"),
    ("tool_calls", Ending::Whole, "the model calls a function; an answer without a call is refused"),
    ("length", Ending::Cut, "`max_tokens` or the model's own limit on answers is reached"),
    ("model_length", Ending::Cut, "the context of the model is full"),
    (
        "error",
        Ending::Refused("the service ended the answer with an error"),
        "the service failed during the answer",
    ),
    (
        "content_filter",
        Ending::Refused("the answer was cut off by a content filter"),
        "a filter cut off the answer",
    ),
    ("abort", Ending::Refused("the server aborted the answer"), "the server gave up during the answer"),
    ("cancelled", Ending::Refused("the server cancelled the answer"), "the server gave up during the answer"),
];

impl Ending {
    /// The ending for a finish reason. Unknown reasons count as complete: other servers use their own words or none.
    pub fn of(finish_reason: Option<&str>) -> Self {
        let Some(word) = finish_reason else { return Self::Whole };
        let row = ENDINGS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(word));
        row.map_or(Self::Whole, |(_, ending, _)| *ending)
    }
}
