//! Why an answer ended, and what that makes of it: the one table. `docs/errors.md` shows the same.
//!
//! A model that stopped by itself has given its answer. Whatever else made it stop, what is there is a part
//! of an answer, and never a row. [`Ending::of`] is called by the stages that ask.

/// What becomes of an answer by its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The answer is whole: it is checked.
    Whole,
    /// The answer was cut at a limit, which [`Ending::of`] was given the name of.
    Cut,
    /// The answer is refused, with these words.
    Refused(&'static str),
}

/// What a `finish_reason` means: the word, its fate, its meaning.
pub const ENDINGS: &[(&str, Ending, &str)] = &[
    ("stop", Ending::Whole, "the model has come to its end"),
    ("tool_calls", Ending::Whole, "the model calls a function; an answer that holds no call is refused"),
    ("length", Ending::Cut, "`max_tokens` or the model's own limit on answers is reached"),
    ("model_length", Ending::Cut, "the context of the model is full"),
    (
        "error",
        Ending::Refused("the service ended the answer with an error"),
        "the service failed within the answer",
    ),
    ("content_filter", Ending::Refused("the answer was cut by a content filter"), "a filter cut the answer"),
    ("abort", Ending::Refused("the server aborted the answer"), "the server gave up within the answer"),
    ("cancelled", Ending::Refused("the server cancelled the answer"), "the server gave up within the answer"),
];

impl Ending {
    /// The fate of an answer. What is not in the table is taken as whole: other servers have words of their
    /// own for it, and some say nothing.
    pub fn of(finish_reason: Option<&str>) -> Self {
        let Some(word) = finish_reason else { return Self::Whole };
        let row = ENDINGS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(word));
        row.map_or(Self::Whole, |(_, ending, _)| *ending)
    }
}
