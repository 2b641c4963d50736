//! Stream operators, one per file.
//!
//! Each is a free function over a lazy stream: nothing is taken from upstream before a poll, every buffer is
//! bounded, and dropping the stream ends what it started. Knows records and time, but not HTTP, SQL or YAML.

mod chunk;
mod map;
mod merge;
mod poll;
mod prefetch;
mod share;
mod split;
mod throttle;
mod until_stopped;
mod wave;

use futures::stream::BoxStream;

pub use chunk::{Bounds, chunk};
pub use map::map;
pub use merge::merge;
pub use poll::{Checked, Polled, Timetable, poll};
pub use prefetch::prefetch;
pub use share::{Reader, share};
pub use split::{paragraphs, pieces, sections};
pub use throttle::{Pacer, throttle};
pub use until_stopped::until_stopped;
pub use wave::{Closed, Hold, Ports, Routed, Shelf, reopened, wave};

use crate::record::Outcome;

/// The records of an edge: lazy, bounded, cancelled on drop.
pub type RecordStream = BoxStream<'static, Outcome>;
